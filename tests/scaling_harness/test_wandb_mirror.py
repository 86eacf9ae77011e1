import sys
import types

import pytest

from scaling_harness.config import WandbConfig
from scaling_harness.plan import Job
from scaling_harness.store import Store
from scaling_harness.trainer import train
from scaling_harness.wandb_mirror import mirror


class FakeRun:
    def __init__(self, **settings):
        self.settings, self.rows, self.summary = settings, [], {}

    def log(self, row, step):
        self.rows.append((step, row))

    def finish(self):
        self.settings["finished"] = True


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in that remembers what it was given."""
    fake = types.SimpleNamespace(runs=[], Settings=dict)

    def init(**settings):
        fake.runs.append(FakeRun(**settings))
        return fake.runs[-1]

    fake.init = init
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


@pytest.fixture
def finished(make_plan, tmp_path, quiet):
    plan = make_plan()
    store = Store(tmp_path / "runs")
    train(Job((plan,)), plan.config.runtime, store, quiet)
    return plan, store


def test_off_means_not_even_imported(finished, monkeypatch):
    plan, store = finished
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert mirror([plan.run_id], store, WandbConfig()) == 0


def test_a_run_is_copied_whole_and_once(finished, wandb):
    plan, store = finished
    config = WandbConfig(mode="offline", project="p")
    assert mirror([plan.run_id, "not-finished"], store, config, "sweep") == 1
    (run,) = wandb.runs
    assert (run.settings["id"], run.settings["group"], run.settings["mode"]) == (plan.run_id, "sweep", "offline")
    assert run.settings["config"] == plan.science
    assert [step for step, _ in run.rows] == list(range(1, plan.n_steps + 1))
    assert "valid_loss" in run.rows[-1][1]
    assert run.summary["final_valid_loss_nats"] == store.read(plan.run_id).losses["valid"].loss_nats
    assert run.settings["finished"]
    assert mirror([plan.run_id], store, config, "sweep") == 0


def test_an_error_of_wandb_ends_nothing(finished, wandb, caplog):
    plan, store = finished

    def refuse(**_):
        raise ConnectionError("no network")

    wandb.init = refuse
    assert mirror([plan.run_id], store, WandbConfig(mode="online")) == 0
    assert "no network" in caplog.text
    assert store.is_finished(plan.run_id)
