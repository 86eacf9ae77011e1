import json
import os
from datetime import UTC, datetime

import pytest

from scaling_harness.execution.attempts import LEASE_S, attempt_path
from scaling_harness.execution.claim import claim_job
from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from scaling_harness.record.atomic_files import write_text
from sweeps.status.run_status import last_row, states, status

UNLUCKY = "ValueError: the seed is unlucky (fake_training.py, line 50)"


def test_every_state_is_told_apart(make_manifest):
    manifest, store = make_manifest(1, 500, 100, 2, 3, max_attempts=1)
    import fake_training

    done, diverged, failed, running, waiting = (job.job_id for job in manifest.jobs)
    for job in manifest.jobs[:3]:
        execute(job, manifest.runtime, store, Stop(), fake_training.train)
    claim = claim_job(running, [running], store)
    write_text(store.metrics_path(running), '{"step": 4, "loss": 2.5}\n')
    rows = {row.run_id: row for row in status(manifest.jobs, store)}
    assert states(manifest.jobs, store) == {
        done: "done",
        diverged: "diverged",
        failed: "failed",
        running: "running",
        waiting: "waiting",
    }
    assert (rows[done].step, rows[done].loss_nats) == (20, 1.25)
    assert rows[diverged].reason == "the loss is NaN"
    assert rows[failed].reason == f"failed after 1 attempt: {UNLUCKY}"
    assert (rows[running].step, rows[running].loss_nats, rows[running].n_attempts) == (4, 2.5, 1)
    assert rows[running].where.endswith(f":{os.getpid()}")
    assert rows[running].since
    claim.end("interrupted", "stopped at step 4")
    after = status(manifest.jobs, store)[3]
    assert (after.state, after.step, after.reason) == ("waiting", 4, "stopped at step 4")


def test_a_lost_machine_is_seen_when_its_lease_is_over(make_manifest):
    manifest, store = make_manifest(1)
    run_id = manifest.runs[0].run_id
    claim = claim_job(run_id, [run_id], store)
    path = attempt_path(store.run_dir(run_id), 1)
    path.write_text(json.dumps({**json.loads(path.read_text()), "kernel": "another"}))
    assert states(manifest.jobs, store) == {run_id: "running"}
    then = path.stat().st_mtime - LEASE_S - 1
    os.utime(path, (then, then))
    assert states(manifest.jobs, store) == {run_id: "waiting"}
    claim.end("interrupted")


def test_a_damaged_record_is_said(make_manifest):
    manifest, store = make_manifest(1)
    path = store.record_path(manifest.runs[0].run_id)
    path.parent.mkdir(parents=True)
    path.write_text('{"status": "compl')
    assert "delete record.json" in status(manifest.jobs, store)[0].reason


def test_what_is_finished_is_not_read_again(make_manifest):
    manifest, store = make_manifest(1)
    import fake_training

    execute(manifest.jobs[0], manifest.runtime, store, Stop(), fake_training.train)
    rows = status(manifest.jobs, store)
    store.record_path(manifest.runs[0].run_id).unlink()
    assert status(manifest.jobs, store, rows) == rows
    assert status(manifest.jobs, store) != rows


@pytest.fixture
def tried(make_manifest):
    """A run whose attempts took 15 s, its half of 30, and 5 s; a third, on another machine, last beat after 100 s."""
    manifest, store = make_manifest(1, 2)
    run_id = manifest.runs[0].run_id
    ends = ({"outcome": "interrupted", "seconds": 30.0}, {"outcome": "failed", "seconds": 5.0}, {})
    for number, (n_runs, end) in enumerate(zip((2, 1, 1), ends, strict=True), start=1):
        assert claim_job(run_id, [run_id], store)
        path = attempt_path(store.run_dir(run_id), number)
        attempt = {**json.loads(path.read_text()), "kernel": "another", "n_runs": n_runs}
        path.write_text(json.dumps(attempt) + (f"\n{json.dumps(end)}" if end else ""))
    beat = datetime.fromisoformat(attempt["started"]).timestamp()
    path.write_text(json.dumps({**attempt, "started": datetime.fromtimestamp(beat - 100.0, UTC).isoformat()}))
    os.utime(path, (beat, beat))
    return manifest, store, path, beat


def test_seconds_of_every_attempt_count_those_that_came_to_nothing_too(tried):
    manifest, store, path, beat = tried
    import fake_training

    running, _ = status(manifest.jobs, store)
    assert (running.state, running.spent_s, running.n_together) == ("running", 20.0, 1)
    os.utime(path, (beat - 2 * LEASE_S, beat - 2 * LEASE_S))
    lost, _ = status(manifest.jobs, store)
    assert (lost.state, lost.spent_s) == ("waiting", 20.0)  # it never beat
    path.write_text(path.read_text() + "\n" + json.dumps({"outcome": "died"}))
    os.utime(path, (beat, beat))
    for job in manifest.jobs:
        execute(job, manifest.runtime, store, Stop(), fake_training.train)
    again, once = status(manifest.jobs, store)
    assert again.spent_s == pytest.approx(120.0, abs=10.0)
    assert again.wall_s == once.spent_s == once.wall_s == 1.0


@pytest.mark.parametrize("tail", ["", '{"step": 3, "lo', '{"step": 2, "valid_loss": 1.5}\n'])
def test_the_last_training_row_is_found_at_the_end_of_a_long_file(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": step, "loss": 2.0, "note": "x" * 100} for step in range(200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    assert last_row(path)["step"] == 199
    assert last_row(tmp_path / "none") == {}
