"""One run over nodes of SLURM: the curve of one process, also after one of its processes is killed."""

import os
import signal

import pytest
from slurm_rig import wait_for

from scaling_harness.record.atomic_files import read_jsonl

pytestmark = pytest.mark.cluster
BATCH = "budget.batch_tokens=128"  # four contexts of 32 tokens


def losses(sweep, run_id):
    return [row["loss"] for row in read_jsonl(sweep.store.metrics_path(run_id)) if "loss" in row]


@pytest.fixture
def one_run(make_sweep, tmp_path, folders):
    """A run of four contexts a step, not begun, and its losses as one process trains it."""
    sweep = make_sweep(seeds=(0,), stacked=False)
    sweep.pace(0)
    sweep.runs_dir = sweep.store.runs_dir.with_name("alone")
    alone = type(sweep.store)(sweep.runs_dir)
    sweep.call("run", BATCH, "runtime.workers=1")
    sweep.runs_dir = sweep.store.runs_dir
    (run_id,) = (path.name for path in alone.run_dir("x").parent.iterdir())
    expected = [row["loss"] for row in read_jsonl(alone.metrics_path(run_id)) if "loss" in row]
    return sweep, run_id, expected


def nodes_of(slurm):
    """Training processes on each node, of those that have some."""
    found = {f"n{k}": slurm.processes(f"n{k}", "sweeps.workers.train_process") for k in range(4)}
    return {node: pids for node, pids in found.items() if pids}


@pytest.mark.parametrize("per_node", [1, 2])
def test_two_nodes_give_the_curve_of_one_process(one_run, slurm, per_node):
    sweep, run_id, expected = one_run
    shape = [f"launcher.gpus_per_run={2 * per_node}", "launcher.nodes_per_run=2"]
    sweep.launch(BATCH, *shape, workers=1, slots=1)
    sweep.finish()
    assert sweep.store.read(run_id).status == "completed"
    assert losses(sweep, run_id) == pytest.approx(expected, abs=1e-4)
    assert len(sweep.attempts(run_id)) == 1


def test_a_killed_process_on_the_second_node_is_recorded_and_the_run_goes_on(one_run, slurm):
    sweep, run_id, expected = one_run
    sweep.pace(0.5)
    sweep.launch(BATCH, "launcher.gpus_per_run=4", "launcher.nodes_per_run=2", workers=1, slots=1)
    sweep.wait_for_checkpoints(1)
    first = sweep.newest(run_id)[1].kernel
    on = nodes_of(slurm)
    assert len(on) == 2
    (other,) = set(on) - {first}
    os.kill(on[other][-1], signal.SIGKILL)
    wait_for(lambda: len(sweep.attempts(run_id)) == 2, "the run is claimed again")
    assert sweep.attempts(run_id)[0].outcome in ("died", "failed")
    assert sweep.newest(run_id)[1].checkpoint_mtime_ns is not None
    sweep.finish()
    assert sweep.store.read(run_id).status == "completed"
    assert losses(sweep, run_id) == pytest.approx(expected, abs=1e-4)
    assert not list(sweep.store.sweep_dir(sweep.name).glob("processes-*"))
