"""A node as a scheduler starts it: `python -m sweeps.launchers.node`, with a trainer that takes no time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scaling_harness.execution.attempts import attempt_numbers, read_attempt
from sweeps.launchers.control import cancel
from sweeps.launchers.node import WORK_LEFT
from sweeps.planning.manifest import CANCELLED
from sweeps.planning.planned_sweep import read_planned_sweep

SLOW = 400


def start(store, *options, **environment):
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[3])])
    command = [
        sys.executable,
        "-m",
        "sweeps.launchers.node",
        str(store.sweep_dir("fake")),
        "--train",
        "fake_training:train",
    ]
    return subprocess.Popen(
        [*command, *options],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until(true, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(manifest, store):
    return all(store.metrics_path(run.run_id).exists() for run in manifest.runs)


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_signal_however_often_saves_every_run_and_says_that_work_is_left(make_manifest, steps_taken, number):
    manifest, store = make_manifest(SLOW, SLOW + 1)
    node = start(store, "--slots", "2", "--log", "7_0")
    wait_until(lambda: begun(manifest, store))
    for _ in range(3):
        node.send_signal(number)
    said, _ = node.communicate(timeout=30)
    assert (node.returncode, said) == (WORK_LEFT, "")
    assert all(store.checkpoint_path(run.run_id).exists() for run in manifest.runs)

    node = start(store, "--slots", "2", "--log", "7_0", CUDA_VISIBLE_DEVICES="5")
    said, _ = node.communicate(timeout=60)
    assert (node.returncode, said) == (0, "")
    for run in manifest.runs:
        assert steps_taken(store, run.run_id) == list(range(1, run.n_steps + 1))
        assert attempt_numbers(store.run_dir(run.run_id)) == [1, 2]
        assert store.read(run.run_id).runtime["gpu_share"] == 0.5
    logs = sorted(store.sweep_dir("fake").glob("logs/*"))
    assert [path.name for path in logs] == ["7_0.0.out", "7_0.1.out"]
    assert read_attempt(store.run_dir(run.run_id), 2).log in map(str, logs)
    outcomes = sorted(line.split()[2] for path in logs for line in path.read_text().splitlines())
    assert outcomes == ["completed", "completed", "interrupted", "interrupted"]


def test_a_cancelled_sweep_is_saved_and_left_for_good(make_manifest, slurm):
    manifest, store = make_manifest(SLOW, 1)
    listing = read_planned_sweep(store.sweep_dir("fake"))
    node = start(store)
    wait_until(lambda: store.metrics_path(manifest.runs[0].run_id).exists())
    assert cancel(listing, store).startswith("fake is cancelled: ")
    node.communicate(timeout=30)
    assert node.returncode == 0
    assert store.checkpoint_path(manifest.runs[0].run_id).exists()
    assert slurm.read("scancel.log") == ""

    node = start(store)
    node.communicate(timeout=30)
    assert node.returncode == 0
    assert not store.is_finished(manifest.runs[0].run_id)
    (store.sweep_dir("fake") / CANCELLED).unlink()
    node = start(store)
    node.communicate(timeout=60)
    assert all(store.is_finished(run.run_id) for run in manifest.runs)


def test_what_a_node_cannot_do_is_said_in_its_output(make_manifest):
    _, store = make_manifest(1)
    (store.runs_dir / "checkpoints").write_text("")
    node = start(store)
    said, _ = node.communicate(timeout=30)
    assert node.returncode == 2
    assert said.startswith("on ")
    assert "a file stands where a directory is needed" in said
