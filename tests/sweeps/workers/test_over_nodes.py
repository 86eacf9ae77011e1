"""The command that starts a run on several nodes; tests/cluster gives it to a real SLURM."""

import sys

import pytest

from sweeps.workers.over_nodes import srun_command
from sweeps.workers.subprocess_trainer import start_command


@pytest.mark.parametrize("cpus", [None, "6"])
def test_srun_starts_one_torchrun_a_node_which_meet_at_the_first(monkeypatch, cpus):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    if cpus:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", cpus)
    words = srun_command(2, 4, ["-m", "some.module", "--job", "x"], "first", 29400)
    srun, torchrun = words[: words.index(sys.executable)], words[words.index(sys.executable) :]
    assert srun[:4] == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]
    assert "--kill-on-bad-exit=1" in srun
    assert ("--cpus-per-task=6" in srun) == (cpus is not None)
    assert torchrun[1:3] == ["-m", "sweeps.workers.torchrun"]
    assert torchrun[3:7] == ["--nnodes=2", "--nproc-per-node=4", "--master-addr=first", "--master-port=29400"]
    assert torchrun[7:] == ["-m", "some.module", "--job", "x"]


def test_processes_are_spread_only_if_there_are_several():
    assert start_command(1, "m", ["o"])[1:] == ["-m", "m", "o"]
    assert start_command(4, "m", ["o"])[1:5] == ["-m", "sweeps.workers.torchrun", "--standalone", "--nproc-per-node=4"]
    assert start_command(4, "m", ["o"], 2)[1:] == ["-m", "sweeps.workers.over_nodes", "2", "2", "-m", "m", "o"]
