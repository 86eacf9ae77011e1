"""One run on two processes (torchrun, gloo), as a sweep trains it."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scaling_harness.errors import CannotTrainHereError
from scaling_harness.execution.attempts import read_end
from scaling_harness.execution.claim import claim_job
from scaling_harness.execution.execute import execute
from scaling_harness.execution.signals import Stop
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import read_jsonl
from scaling_harness.record.store import Store
from scaling_harness.training.memory import is_out_of_memory
from scaling_harness.training.oversight import ClaimLost, Interrupted
from scaling_harness.training.trainer import train
from sweeps.config import LocalLauncherConfig
from sweeps.planning.manifest import Manifest, write_manifest
from sweeps.workers.resources import environment
from sweeps.workers.subprocess_trainer import STEP_FILE, error_file, find_failure, train_in_processes
from sweeps.workers.train_process import DelegatedOversight


@pytest.fixture
def shared(make_plan, tmp_path):
    """A sweep of one run of four contexts a step, its store, and its training function on two processes."""
    plan = make_plan("budget.batch_tokens=128", "budget.n_tokens=25600")
    store = Store(tmp_path / "two")
    config = plan.config
    manifest = Manifest("two", "?", 0, config.runtime, config.wandb, (Job((plan,)),))
    write_manifest(store.sweep_dir("two"), manifest)
    return plan, store, train_in_processes(2, store.sweep_dir("two"))


def losses(store, plan):
    return [row["loss"] for row in read_jsonl(store.metrics_path(plan.run_id)) if "loss" in row]


def test_two_processes_give_the_curve_of_one_also_when_they_are_stopped_in_between(shared, tmp_path, quiet):
    plan, store, on_two = shared
    alone = Store(tmp_path / "one")
    (expected,) = train(Job((plan,)), plan.config.runtime, alone, quiet)

    stop = Stop()

    def stop_soon():
        while not store.metrics_path(plan.run_id).exists() or not losses(store, plan):
            time.sleep(0.01)
        stop.requested = True

    striker = threading.Thread(target=stop_soon)
    striker.start()
    stopped = execute(Job((plan,)), plan.config.runtime, store, stop, on_two)
    striker.join()
    assert stopped.kind == "interrupted"
    n_saved = len(losses(store, plan))
    assert 0 < n_saved < plan.n_steps
    assert stopped.reason == f"stopped at step {n_saved}"
    assert execute(Job((plan,)), plan.config.runtime, store, Stop(), on_two).kind == "completed"

    loss = store.read(plan.run_id).losses["valid"].loss_nats
    assert loss == pytest.approx(expected.losses["valid"].loss_nats, abs=1e-4)
    assert losses(store, plan) == pytest.approx(losses(alone, plan), abs=1e-4)


def test_the_reason_of_a_failure_comes_back(make_manifest):
    import fake_training

    manifest, store = make_manifest(fake_training.RAISES)
    on_two = train_in_processes(2, store.sweep_dir("fake"), "fake_training:train")
    outcome = execute(manifest.jobs[0], manifest.runtime, store, Stop(), on_two)
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("ValueError: the seed is unlucky (fake_training.py, line ")
    assert read_end(store.run_dir(manifest.runs[0].run_id), 1).reason == outcome.reason


def processes(sweep_dir):
    """Those whose command line names a sweep."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and str(sweep_dir) in (folder / "cmdline").read_text():
                yield int(folder.name)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process die with its parent")
def test_a_killed_worker_takes_its_processes_with_it_and_the_run_goes_on_elsewhere(make_manifest):
    import fake_training

    manifest, store = make_manifest(fake_training.STUCK)
    sweep_dir, (job,) = store.sweep_dir("fake"), manifest.jobs
    write_manifest(sweep_dir, dataclasses.replace(manifest, launcher=LocalLauncherConfig(gpus_per_run=2)))
    command = [sys.executable, "-m", "sweeps.workers.worker", str(sweep_dir), "--train", "fake_training:train"]
    with subprocess.Popen(command, env=environment(1)) as worker:
        deadline = time.monotonic() + 60.0
        while len(losses(store, job.runs[0])) < 2:  # one of each process, which sleeps from then on
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(list(processes(sweep_dir))) == 4  # with torchrun
        worker.kill()
    deadline = time.monotonic() + 10.0
    while list(processes(sweep_dir)):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    def elsewhere(job, *rest):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fake_training, "STUCK", -1)
            return fake_training.train(job, *rest)

    assert execute(job, manifest.runtime, store, Stop(), elsewhere).kind == "completed"


def test_out_of_memory_explains_what_other_processes_then_say(tmp_path):
    def say(rank, words, errno=None):
        (tmp_path / error_file(rank)).write_text(json.dumps({"reason": words, "errno": errno}))

    assert "exit code 3" in str(find_failure(tmp_path, 3, killed=False))
    say("1", "RuntimeError: Connection closed by peer", 104)
    assert str(find_failure(tmp_path, 1, killed=False)) == "RuntimeError: Connection closed by peer"
    assert find_failure(tmp_path, 1, killed=False).__cause__.errno == 104
    assert is_out_of_memory(find_failure(tmp_path, 1, killed=True))
    say("0", "OutOfMemoryError: CUDA out of memory")
    found = find_failure(tmp_path, 1, killed=False)
    assert is_out_of_memory(found)
    assert str(found).startswith("OutOfMemoryError")


def test_what_a_process_refuses_is_refused_by_its_worker(tmp_path):
    failure = {"reason": "no CUDA device here", "errno": None, "refused": True}
    (tmp_path / error_file("0")).write_text(json.dumps(failure))
    assert isinstance(find_failure(tmp_path, 2, killed=False), CannotTrainHereError)


@pytest.fixture
def delegate(shared, tmp_path):
    """The oversight of a process of a run, for a worker that runs or has ended, and the worker."""
    plan, store, _ = shared
    worker = subprocess.Popen(["sleep", "60"])
    yield DelegatedOversight(Job((plan,)), store, worker.pid, Stop(), tmp_path), worker
    worker.kill()
    worker.wait()


def test_a_process_of_a_run_stops_when_it_is_told_or_its_worker_is_gone(delegate, tmp_path):
    oversight, worker = delegate
    oversight.tick(3)
    assert (tmp_path / STEP_FILE).read_text() == "3"
    (tmp_path / "stop").touch()
    with pytest.raises(Interrupted, match="step 4"):
        oversight.tick(4)
    (tmp_path / "stop").unlink()
    worker.kill()
    worker.wait()
    with pytest.raises(Interrupted):
        oversight.tick(5)


def test_a_process_on_another_node_leaves_the_worker_to_those_beside_it(shared, tmp_path, monkeypatch):
    plan, store, _ = shared
    monkeypatch.setenv("GROUP_RANK", "1")
    gone = subprocess.Popen(["true"])
    gone.wait()
    oversight = DelegatedOversight(Job((plan,)), store, gone.pid, Stop(), tmp_path)
    oversight.tick(3)
    oversight.confirm()
    (tmp_path / "stop").touch()
    with pytest.raises(Interrupted):
        oversight.tick(4)


def test_a_process_of_a_run_writes_nothing_once_its_worker_was_overtaken(delegate, shared):
    plan, store, _ = shared
    oversight, _ = delegate
    claim = claim_job(plan.run_id, [plan.run_id], store)
    with pytest.raises(ClaimLost, match="attempt 1"):
        oversight.confirm()
    claim.end("interrupted")
    mine = DelegatedOversight(Job((plan,)), store, os.getpid(), Stop(), store.runs_dir)
    claim = claim_job(plan.run_id, [plan.run_id], store)
    mine.confirm()
    claim.end("interrupted")
