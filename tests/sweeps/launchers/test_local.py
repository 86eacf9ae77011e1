"""Whole sweeps by real worker processes, with a trainer that takes no time: who trains what, and what a kill costs."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.execution.attempts import attempt_numbers, read_attempt, read_end
from sweeps.launchers.control import cancel
from sweeps.launchers.local import run_sweep
from sweeps.planning.planned_sweep import read_planned_sweep

FAKE = "fake_training:train"

LAUNCH = f"""
import dataclasses, sys
from pathlib import Path
from scaling_harness.record.store import Store
from sweeps.planning.manifest import read_manifest
from sweeps.launchers.local import run_sweep
sweep_dir = Path(sys.argv[1])
manifest = read_manifest(sweep_dir)
summary = run_sweep(manifest, Store(sweep_dir.parent), manifest.runtime, train={FAKE!r})
print(dataclasses.asdict(summary))
"""


def run(manifest, store):
    said = io.StringIO()
    return run_sweep(manifest, store, manifest.runtime, Console(file=said, width=200), FAKE), said.getvalue()


def launch(store):
    """Start a launcher of its own."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[3])])
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(store.sweep_dir("fake"))],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def owner(store, run_id):
    """Process that made the newest attempt at a run, once there is one."""
    numbers = attempt_numbers(store.run_dir(run_id))
    attempt = read_attempt(store.run_dir(run_id), numbers[-1]) if numbers else None
    return attempt.pid if attempt else None


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def whole(steps_taken):
    """Check that every run of a sweep was trained, and no step twice."""

    def check(manifest, store):
        for plan in manifest.runs:
            assert store.read(plan.run_id).status == "completed"
            assert steps_taken(store, plan.run_id) == list(range(1, plan.n_steps + 1))

    return check


def test_a_sweep_is_trained_once_whatever_becomes_of_its_runs(make_manifest, steps_taken):
    manifest, store = make_manifest(1, 100, 200, 300, 500, 2)
    summary, said = run(manifest, store)
    assert (summary.n_done, summary.n_diverged, summary.n_failed, summary.n_left) == (3, 1, 2, 0)
    assert summary.n_trained == 6
    assert not summary.interrupted
    good, raises, killed_once, killed_always, diverges, other = manifest.runs
    for plan in (good, other):
        assert steps_taken(store, plan.run_id) == list(range(1, plan.n_steps + 1))
    assert attempt_numbers(store.run_dir(killed_once.run_id)) == [1, 2]
    assert attempt_numbers(store.run_dir(diverges.run_id)) == [1]
    unlucky = "ValueError: the seed is unlucky (fake_training.py, line 50)"
    assert store.read(raises.run_id).reason == f"failed after 3 attempts: {unlucky}"
    reason = store.read(killed_always.run_id).reason
    # Who sees a death first, the launcher, who knows the signal, or the other worker, is left to chance.
    assert reason.startswith(("failed after 3 attempts: killed by SIGKILL", "failed after 3 attempts: died without"))
    assert f"{killed_always.run_id}  failed: {reason}" in said
    assert "6/6" in said

    again, said = run(manifest, store)
    assert (again.n_done, again.n_trained) == (3, 0)
    assert said == ""
    assert attempt_numbers(store.run_dir(killed_always.run_id)) == [1, 2, 3, 4]


def test_the_reason_of_a_death_is_kept(make_manifest):
    manifest, store = make_manifest(300, workers=1, max_attempts=2)
    summary, _ = run(manifest, store)
    reason = store.read(manifest.runs[0].run_id).reason
    assert reason == "failed after 2 attempts: killed by SIGKILL (out of memory, or kill -9)"
    assert summary.n_failed == 1


def test_two_launchers_at_once_train_nothing_twice(make_manifest, whole):
    manifest, store = make_manifest(*range(12), 400, 401)
    first, second = launch(store), launch(store)
    for launcher in (first, second):
        out, err = launcher.communicate(timeout=60)
        assert launcher.returncode == 0, err
        assert "'n_left': 0" in out
    whole(manifest, store)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_every_run_and_the_next_launch_goes_on(make_manifest, whole, number):
    manifest, store = make_manifest(400, 401, 1)
    launcher = launch(store)
    slow = [plan.run_id for plan in manifest.runs[:2]]
    wait_until(lambda: all(store.metrics_path(run_id).exists() for run_id in slow))
    workers = [owner(store, run_id) for run_id in slow]
    launcher.send_signal(number)
    out, err = launcher.communicate(timeout=20)
    assert launcher.returncode == 0, err
    assert "'interrupted': True" in out
    assert "the same command continues from here" in err
    assert "Traceback" not in err
    assert not any(map(is_running, workers))
    assert all(store.checkpoint_path(run_id).exists() for run_id in slow)
    summary, _ = run(manifest, store)
    assert summary.n_left == 0
    whole(manifest, store)


def test_a_cancelled_sweep_is_saved_by_its_local_launcher(make_manifest):
    manifest, store = make_manifest(400)
    launcher = launch(store)
    wait_until(lambda: store.metrics_path(manifest.runs[0].run_id).exists())
    said = cancel(read_planned_sweep(store.sweep_dir("fake")), store)
    assert said.startswith("fake is cancelled: 0 of 1 runs are finished")
    out, err = launcher.communicate(timeout=20)
    assert launcher.returncode == 0, err
    assert "'interrupted': True" in out
    assert store.checkpoint_path(manifest.runs[0].run_id).exists()


def test_a_second_interrupt_kills_the_workers(make_manifest):
    manifest, store = make_manifest(600)
    launcher = launch(store)
    wait_until(lambda: store.metrics_path(manifest.runs[0].run_id).exists())
    worker = owner(store, manifest.runs[0].run_id)
    launcher.send_signal(signal.SIGINT)
    assert "stopping" in launcher.stderr.readline()
    assert is_running(worker)
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=10)
    assert not is_running(worker)


def test_workers_leave_when_their_launcher_is_killed(make_manifest, whole):
    manifest, store = make_manifest(400, 401)
    launcher = launch(store)
    run_ids = [plan.run_id for plan in manifest.runs]
    wait_until(lambda: all(store.metrics_path(run_id).exists() for run_id in run_ids))
    workers = [owner(store, run_id) for run_id in run_ids]
    launcher.kill()
    launcher.communicate()
    wait_until(lambda: not any(map(is_running, workers)), seconds=5.0)
    run(manifest, store)
    whole(manifest, store)


def test_a_killed_worker_is_replaced_and_its_run_tried_again(make_manifest):
    manifest, store = make_manifest(400, workers=1)
    run_id = manifest.runs[0].run_id

    def strike():
        wait_until(lambda: store.metrics_path(run_id).exists())
        os.kill(owner(store, run_id), signal.SIGKILL)

    striker = threading.Thread(target=strike)
    striker.start()
    summary, _ = run(manifest, store)
    striker.join()
    assert summary.n_done == 1
    assert attempt_numbers(store.run_dir(run_id)) == [1, 2]


def test_a_worker_that_hangs_is_killed_and_its_run_tried_again(make_manifest, monkeypatch):
    monkeypatch.setenv("SCALING_HARNESS_LEASE_S", "1")
    manifest, store = make_manifest(700, workers=1, hang_s=1.0)
    out, err = launch(store).communicate(timeout=60)
    assert "'n_done': 1" in out, err
    directory = store.run_dir(manifest.runs[0].run_id)
    assert [read_end(directory, number).outcome for number in attempt_numbers(directory)] == ["died", "completed"]
    assert "it hung" in read_end(directory, 1).reason


def test_what_keeps_a_worker_from_working_ends_the_launch(make_manifest):
    manifest, store = make_manifest(1)
    (store.runs_dir / "store").write_text("")
    with pytest.raises(UserError, match="a file stands where a directory is needed"):
        run(manifest, store)
    with pytest.raises(HarnessError, match="no_such_function"):
        run_sweep(manifest, store, manifest.runtime, Console(file=io.StringIO()), "fake_training:no_such_function")


def test_workers_that_only_die_are_not_started_for_ever(make_manifest):
    manifest, store = make_manifest(1)
    with pytest.raises(HarnessError, match="workers died one after another, the last killed by SIGKILL"):
        run_sweep(manifest, store, manifest.runtime, Console(file=io.StringIO()), "fake_training:deadly")
