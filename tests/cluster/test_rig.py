"""The rig itself, with jobs that know nothing of sweeps: what the fault tests rely on."""

import pytest
import slurm_rig
from slurm_rig import NODES, wait_for

pytestmark = pytest.mark.cluster


def test_tasks_have_gpus_of_their_own_and_processes_that_can_be_found(slurm, tmp_path):
    script = f"echo $CUDA_VISIBLE_DEVICES > {tmp_path}/$SLURM_ARRAY_TASK_ID; sleep 600"
    slurm.submit("--array=0-1", "--gres=gpu:1", "--cpus-per-task=1", "--nodelist=n2", script=script)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2, "both tasks have started")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"0\n", "1\n"}
    assert set(slurm.running().values()) == {"n2"}
    assert len(slurm.processes("n2", "sleep")) == 2
    assert not slurm.processes("n0")
    slurm.clear()
    assert not slurm.processes()
    assert slurm.node_states() == ["idle"] * len(NODES)


def test_where_there_is_none_the_reason_is_said(monkeypatch):
    monkeypatch.setattr(slurm_rig, "_search_path", lambda: "")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert slurm_rig.reason_it_cannot_run().startswith("not installed: munged, slurmctld")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "root" in slurm_rig.reason_it_cannot_run()
