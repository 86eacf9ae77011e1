"""`sweep logs` and `sweep retry`: what a run left, and a failed one freed."""

import json

import pytest

from scaling_harness.cli import main
from scaling_harness.errors import UserError
from scaling_harness.execution.attempts import LOG_VARIABLE
from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from sweeps.launchers.control import free_failed
from sweeps.status.logs import find_run, output
from sweeps.status.run_status import status

UNLUCKY = "ValueError: the seed is unlucky (fake_training.py, line 50)"


@pytest.fixture
def failed(make_manifest, monkeypatch, tmp_path):
    """A sweep of a run that failed twice and one that is done."""
    manifest, store = make_manifest(100, 1, max_attempts=2)
    import fake_training

    log = store.sweep_dir("fake") / "logs" / "n1.0.out"
    log.parent.mkdir()
    log.write_text("".join(f"line {i}\n" for i in range(50)))
    monkeypatch.setenv(LOG_VARIABLE, str(log))
    for job in (*manifest.jobs, manifest.jobs[0]):
        execute(job, manifest.runtime, store, Stop(), fake_training.train)
    return manifest, store, log


def test_the_output_of_a_failed_run(failed):
    manifest, store, log = failed
    run_id = manifest.runs[0].run_id
    (row, _) = status(manifest.jobs, store)
    found = output(row, store)
    assert (found["run_id"], found["state"]) == (run_id, "failed")
    assert [(row["attempt"], row["end"]) for row in found["attempts"]] == [(1, "failed"), (2, "gave_up")]
    assert found["attempts"][0]["reason"] == UNLUCKY
    lines = found["files"][str(log)]
    assert lines[-1] == "line 49"
    assert len(lines) < 50
    assert found["files"][str(store.run_dir(run_id) / "error.log")][-1] == "is unlucky"
    assert json.loads(found["files"][str(store.metrics_path(run_id))][-1])["step"] == 2


def test_the_verb_names_runs_by_a_part_or_lists_every_log(failed, capsys):
    _, store, log = failed
    runs_dir = f"--runs-dir={store.runs_dir}"
    assert main(["sweep", "logs", "fake", "s100", runs_dir]) == 0
    said = capsys.readouterr().out
    assert "attempt 2" in said
    assert "ValueError" in said
    assert main(["sweep", "logs", "fake", runs_dir, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": {str(log): ["line 49"]}}
    assert main(["sweep", "logs", "fake", "no-such-run", runs_dir]) == 2
    assert "'no-such-run' matches 0 runs" in capsys.readouterr().err


def test_a_run_is_found_by_its_name_or_a_part_that_only_it_has(make_manifest):
    manifest, store = make_manifest(1, 11)
    rows = status(manifest.jobs, store)
    assert find_run(rows, "s11") in rows
    assert find_run(rows, rows[0].run_id) == rows[0]
    with pytest.raises(UserError, match="2 runs"):
        find_run(rows, "s1")


def test_failed_runs_are_freed_and_tried_as_often_as_before(failed):
    manifest, store, _ = failed
    import fake_training

    bad = manifest.runs[0]
    for n in (1, 2):
        assert free_failed(status(manifest.jobs, store), store) == [bad.run_id]
        assert [row.state for row in status(manifest.jobs, store)] == ["waiting", "done"]
        assert (store.run_dir(bad.run_id) / f"record-failed-{n}.json").exists()
        for _ in range(2):
            outcome = execute(manifest.jobs[0], manifest.runtime, store, Stop(), fake_training.train)
        assert outcome.kind == "gave_up"
    assert free_failed(status(manifest.jobs[1:], store), store) == []


def test_the_verb_asks_what_to_retry(failed, capsys):
    _, store, _ = failed
    assert main(["sweep", "retry", "fake", f"--runs-dir={store.runs_dir}"]) == 2
    assert "--failed" in capsys.readouterr().err


def test_a_retry_that_is_refused_leaves_the_records(failed, capsys):
    manifest, store, _ = failed
    path = store.sweep_dir(manifest.name) / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "code": "0123456789"}))
    assert main(["sweep", "retry", "fake", "--failed", f"--runs-dir={store.runs_dir}"]) == 2
    assert "--mix-versions" in capsys.readouterr().err
    assert store.is_finished(manifest.runs[0].run_id)
