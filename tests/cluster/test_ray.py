"""Sweeps on a real Ray of several nodes: a run is trained once, whatever becomes of the processes and nodes."""

import contextlib
import os
import signal
import subprocess

import pytest
from slurm_rig import wait_for
from slurm_sweep import SLOW_S, Sweep, assert_undisturbed

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'scaling-harness[ray]'")
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]
NODES = ("ray-1", "ray-2")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A head and two nodes of one core."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray_rig import RayNodes

    try:
        started = RayNodes(tmp_path_factory.mktemp("ray") / "pace", NODES)
    except Exception as error:
        pytest.skip(f"Ray does not start here: {error}")
    yield started
    started.stop()


@pytest.fixture
def sweep(nodes, folders, tmp_path):
    """Three runs, slow until they are told to finish."""
    sweep = Sweep(tmp_path, folders, seeds=(0, 1, 2), stacked=False, pace=nodes.pace)
    sweep.pace(SLOW_S)
    return sweep


@contextlib.contextmanager
def running(sweep, nodes, workers):
    """Run `sweep run` beside the test; it is interrupted if the test fails."""
    overrides = ["launcher=ray", f"launcher.address={nodes.address}", f"launcher.workers={workers}"]
    command, streams = sweep.command("run", *overrides), {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=sweep.environment, text=True, **streams) as process:
        try:
            yield process
        except BaseException:
            process.send_signal(signal.SIGINT)
            print(process.communicate()[0])
            raise


def where(sweep, run_id):
    """Node of the newest attempt at a run."""
    return sweep.newest(run_id)[1].kernel


def test_a_killed_worker_and_a_lost_node_that_comes_back(sweep, nodes, reference):
    with running(sweep, nodes, workers=3) as command:
        first, second = sweep.wait_for_checkpoints(2)  # the third worker waits for a core
        assert {where(sweep, first), where(sweep, second)} == set(NODES)
        said = sweep.call("status")
        assert said.count("running") >= 2

        (worker,) = nodes.processes(where(sweep, first), "ray::run_node")
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: len(sweep.attempts(first)) == 2, "Ray has started the killed worker again")

        lost = where(sweep, second)
        nodes.lose_node(lost)
        nodes.start_node(lost)
        wait_for(lambda: nodes.processes(lost, "sweeps.workers.worker"), "a worker is on the node that is back")
        sweep.pace(0)
        said, _ = command.communicate(timeout=400)
        assert command.returncode == 0, said
    assert sweep.attempts(second)[0] is None  # it could not say how it ended
    assert len(sweep.attempts(second)) > 1
    assert_undisturbed(sweep, reference)
    assert "completed" in sweep.call("logs")


def ends(sweep):
    """How every attempt at every run ended, None if it has not."""
    return [end for run_id in sweep.run_ids for end in sweep.attempts(run_id)]


def test_a_cancelled_or_interrupted_sweep_is_saved_and_goes_on(sweep, nodes, reference):
    with running(sweep, nodes, workers=3) as command:
        sweep.wait_for_checkpoints(2)
        sweep.call("cancel")
        said, _ = command.communicate(timeout=400)
        assert command.returncode == 130, said
    assert [end.outcome for end in ends(sweep)] == ["interrupted"] * 2
    with running(sweep, nodes, workers=2) as command:
        wait_for(lambda: len(ends(sweep)) == 4, "two runs are trained again")
        command.send_signal(signal.SIGINT)
        said, _ = command.communicate(timeout=400)
        assert command.returncode == 130, said
    wait_for(lambda: all(ends(sweep)), "they are saved")
    assert [end.outcome for end in ends(sweep)] == ["interrupted"] * 4
    with running(sweep, nodes, workers=2) as command:
        sweep.pace(0)
        said, _ = command.communicate(timeout=400)
        assert command.returncode == 0, said
    assert_undisturbed(sweep, reference)


def test_what_no_node_has_is_refused(sweep, nodes):
    overrides = ["launcher=ray", f"launcher.address={nodes.address}"]
    said = sweep.call("run", *overrides, "runtime.device=cuda", expect=2)
    assert "a worker asks for 1 CPU and 1 GPU of one node" in said
    assert "Traceback" not in said
    assert not sweep.store.sweep_dir(sweep.name).exists()
