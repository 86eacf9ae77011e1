"""`sweep run launcher=slurm` and what follows, with SLURM's commands faked; tests/cluster has the real ones."""

import json
import time
from types import SimpleNamespace

import pytest

from scaling_harness.cli import main
from sweeps.launchers.slurm import probe_job
from sweeps.planning.time_estimate import Speed
from sweeps.timing.probe import Probe, write_probe
from sweeps.workers import worker

GRID = "[{shapes: [[1, 16]], budgets: {n_tokens: [320, 640]}, seeds: [0, 1]}]"


@pytest.fixture
def sweep(slurm, tiny, tmp_path, monkeypatch, capsys):
    """Call `sweep ACTION mine`, of four runs; its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my-conf" / "sweep"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(f'question: "?"\nname: mine\ngrids: {GRID}\n')

    def call(action: str, *more: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["sweep", action, "mine", *more, *tiny, f"--config-dir={tmp_path / 'my-conf'}"])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out + said.err

    return call


def test_run_submits_one_array_and_then_only_what_is_missing(sweep, slurm, tmp_path):
    code, said = sweep("run", "launcher=slurm", "launcher.workers=3")
    assert code == 0
    assert "4 runs, 4 left to train" in said
    assert "submitted 101 (3 tasks) for 4 jobs of mine" in said
    assert "#SBATCH --array=0-2\n" in slurm.scripts[0]
    (row,) = map(json.loads, (tmp_path / "runs" / "mine" / "submissions.jsonl").read_text().splitlines())
    assert (row["job_id"], row["n_tasks"], row["script"]) == ("101", 3, slurm.scripts[0])

    slurm.set_queue(("101_0", "RUNNING"), ("101_1", "PENDING"), ("101_2", "COMPLETING"), ("7_0", "RUNNING"))
    code, said = sweep("run", "launcher=slurm", "launcher.workers=3")
    assert "submitted 102 (1 task)" in said
    slurm.set_queue(("101_0", "RUNNING"), ("101_1", "PENDING"), ("102_0", "PENDING"))
    code, said = sweep("run", "launcher=slurm", "launcher.workers=3")
    assert (code, len(slurm.scripts)) == (0, 2)
    assert "3 workers of mine wait or run already: nothing was submitted" in said
    # Never more workers than there is work: two slots each for four runs.
    slurm.set_queue()
    sweep("run", "launcher=slurm", "launcher.workers=3", "launcher.slots=2")
    assert "#SBATCH --array=0-1\n" in slurm.scripts[2]


def test_a_torn_line_of_what_was_submitted_is_left_behind(sweep, slurm, tmp_path):
    path = tmp_path / "runs" / "mine" / "submissions.jsonl"
    sweep("run", "launcher=slurm", "launcher.workers=1")
    with path.open("a") as file:
        file.write('{"job_id": "10')
    sweep("run", "launcher=slurm", "launcher.workers=1")
    assert [json.loads(line)["job_id"] for line in path.read_text().splitlines()] == ["101", "102"]


def test_a_finished_sweep_submits_nothing(sweep, slurm, tmp_path):
    assert sweep("run", "launcher=slurm")[0] == 0
    assert worker.main([str(tmp_path / "runs" / "mine"), "--train", "fake_training:train"]) == 0
    slurm.set_queue()
    code, said = sweep("run", "launcher=slurm")
    assert (code, len(slurm.scripts)) == (0, 1)
    assert "every run of mine is finished: nothing was submitted" in said


def test_arrays_are_split_at_the_sites_limit(sweep, slurm):
    slurm.write("max", "3\n")
    code, said = sweep("run", "launcher=slurm", "launcher.workers=4", "launcher.cap=2")
    assert code == 0
    assert "submitted 101 (3 tasks), 102 (1 task)" in said
    assert "#SBATCH --array=0-2%1\n" in slurm.scripts[0]
    assert "#SBATCH --array=0-0%1\n" in slurm.scripts[1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["launcher=slurm", "launcher.partition=debug"], "there is no partition debug: choose one of gpu, main"),
        (["launcher=slurm", "runtime.device=cuda"], "launcher.gpus is 0: ask for a GPU"),
        (["launcher=slurm", "launcher.slots=2", "launcher.gpus=2", "launcher.gpus_per_run=2"], "need 4 GPUs per task"),
        (["launcher=slurm", "launcher.gpus_per_run=3", "launcher.nodes_per_run=2"], "3 processes of a run"),
        (
            ["launcher=slurm", "launcher.gpus_per_run=2", "launcher.nodes_per_run=2", "launcher.slots=2"],
            "set slots to 1",
        ),
        (["launcher=slurm", "launcher.gpus_per_run=2", "launcher.nodes_per_run=2", "launcher.container=x"], "lacks"),
        (["launcher=slurm", "launcher.gpus_per_run=3"], "choose a number that divides them"),
        (["launcher=slurm", "launcher.workers=0"], "launcher.workers is 0"),
        (["launcher=slurm", "launcher.wokers=2"], "launcher.wokers"),
        (["launcher=kubernetes"], "kubernetes"),
        (["launcher=slurm", "sweep.grids.0.shapes=[[1, 17]]"], "even head size, d_model/n_head is 17"),
    ],
)
def test_what_cannot_be_launched_is_a_sentence_and_nothing_is_submitted(sweep, slurm, options, sentence):
    code, said = sweep("run", *options)
    assert code == 2
    assert sentence in said
    assert said.count("\n") == 1
    assert slurm.scripts == []


def test_slurm_that_is_not_there_or_refuses_is_a_sentence(sweep, slurm, monkeypatch):
    slurm.write("refusal", "sbatch: error: Invalid account\n")
    code, said = sweep("run", "launcher=slurm")
    assert code == 2
    assert "sbatch refused: sbatch: error: Invalid account" in said
    monkeypatch.setenv("PATH", str(slurm.folder))
    code, said = sweep("run", "launcher=slurm")
    assert code == 2
    assert "needs sbatch, which is not on the PATH" in said


def test_a_store_that_cannot_be_written_is_found_before_anything_is_submitted(sweep, slurm, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "store").write_text("")
    code, said = sweep("run", "launcher=slurm")
    assert code == 2
    assert "a file stands where a directory is needed" in said
    assert slurm.scripts == []
    assert not (tmp_path / "runs" / "mine" / "sweep.json").exists()


def test_versions_are_not_mixed_unless_told(sweep, slurm, tmp_path, monkeypatch):
    assert sweep("run", "launcher=slurm")[0] == 0
    path = tmp_path / "runs" / "mine" / "sweep.json"
    document = json.loads(path.read_text())
    other = {**document, "code": "rooms-0123456789ab"}
    path.write_text(json.dumps(other))
    code, said = sweep("run", "launcher=slurm")
    assert code == 0
    assert "warning: the code changed since the sweep mine was planned, from rooms-0123456789ab" in said
    assert json.loads(path.read_text())["code"] == document["code"]

    run_id = document["jobs"][0]["runs"][0]["run_id"]
    attempt = tmp_path / "runs" / "store" / run_id / "attempt-0001.json"
    attempt.parent.mkdir(parents=True)
    attempt.write_text("")
    path.write_text(json.dumps(other))
    n_submitted = len(slurm.scripts)
    code, said = sweep("run", "launcher=slurm")
    assert code == 2
    assert "--mix-versions" in said
    assert len(slurm.scripts) == n_submitted
    code, said = sweep("run", "launcher=slurm", "--mix-versions")
    assert code == 0
    assert "warning" in said


def test_a_version_measured_as_before_is_told_from_changed_code(sweep, slurm, tmp_path):
    """Earlier manifests name the commit that changed any file of the package."""
    assert sweep("run", "launcher=slurm")[0] == 0
    path = tmp_path / "runs" / "mine" / "sweep.json"
    document = json.loads(path.read_text())
    run_id = document["jobs"][0]["runs"][0]["run_id"]
    attempt = tmp_path / "runs" / "store" / run_id / "attempt-0001.json"
    attempt.parent.mkdir(parents=True)
    attempt.write_text("")
    path.write_text(json.dumps({**document, "code": "c1430b4" + 33 * "0"}))
    code, said = sweep("run", "launcher=slurm")
    assert code == 2
    assert "was planned by an earlier version of this harness (c1430b4" in said
    assert "the code changed" not in said
    assert "--mix-versions" in said
    assert sweep("run", "launcher=slurm", "--mix-versions")[0] == 0
    assert json.loads(path.read_text())["code"] == document["code"]
    assert sweep("run", "launcher=slurm")[0] == 0


def test_a_probe_is_taken_by_a_task_and_awaited(sweep, slurm, tmp_path, monkeypatch):
    def find(_seconds):
        slurm.set_queue()
        write_probe(tmp_path / "runs" / "mine", Probe("2026-01-01T00:00:00+00:00", "n7", 2, Speed(2.0, 2.0)))

    monkeypatch.setattr(probe_job, "time", SimpleNamespace(sleep=find, monotonic=time.monotonic))
    slurm.set_queue(("101_0", "RUNNING"))
    code, said = sweep("probe", "launcher=slurm", "launcher.slots=2", "launcher.gpus=1")
    assert code == 0
    assert "probe 101 is in SLURM's queue" in said
    assert "4 runs left: " in said
    assert "gpu hours (timed 2026-01-01T00:00:00+00:00: 2 at once on n7)" in said
    (script,) = slurm.scripts
    assert "#SBATCH --array=0-0\n" in script
    assert f" -m sweeps.timing.probe --slots 2 {tmp_path / 'runs' / 'mine' / 'probe'} &" in script
    sweep("probe", "launcher=slurm")
    assert len(slurm.scripts) == 1

    slurm.set_queue(("101_0", "PENDING"))
    sweep("probe", "launcher=slurm", "--again")
    assert len(slurm.scripts) == 1
    monkeypatch.setattr(probe_job, "_SEEN_LATE_S", 0.0)
    (tmp_path / "runs" / "mine" / "probe" / "logs" / "102_0.out").write_text("no GPU\nno such device\n")
    code, said = sweep("probe", "launcher=slurm", "--again")
    assert code == 1
    assert "probe 102 ended without a result; its output: " in said
    assert "no such device" in said
