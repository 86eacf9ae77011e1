import dataclasses

import pytest

from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from sweeps.launchers.slurm import launcher
from sweeps.launchers.slurm.launcher import SlurmLauncher
from sweeps.planning.manifest import Manifest


@pytest.fixture
def start(make_plan, tmp_path, monkeypatch):
    """Start a sweep of one run with nothing submitted."""
    monkeypatch.setattr(launcher, "submit", lambda *_: "submitted")
    monkeypatch.setattr(launcher, "planned_cost", lambda *_: ((), None))
    monkeypatch.setattr(launcher, "cost_sentence", lambda _: "cost")
    plan = make_plan()

    def run(mode):
        wandb = dataclasses.replace(plan.config.wandb, mode=mode)
        manifest = Manifest("one", "?", 0, plan.config.runtime, wandb, (Job((plan,)),))
        SlurmLauncher(None).start(manifest, Store(tmp_path))

    return run


def test_a_sweep_that_nobody_waits_for_says_how_its_runs_come_to_wandb(start, capsys):
    start("off")
    assert capsys.readouterr().out == "cost\nsubmitted\n"
    start("online")
    assert "`scaling-harness sweep mirror one --mode online` copies" in capsys.readouterr().out
