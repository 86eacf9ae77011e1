"""A run that has been trained, and stand-ins for wandb."""

import sys
import types

import pytest

from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.training.trainer import train


class FakeRun:
    def __init__(self, **settings):
        self.settings, self.rows, self.summary, self.exit_code = settings, [], {}, None
        self.tags = tuple(settings["tags"])

    def log(self, row, step):
        self.rows.append((step, row))

    def finish(self, exit_code):
        self.exit_code = exit_code


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in that remembers what it was given."""
    fake = types.SimpleNamespace(runs=[], Settings=dict, login=lambda **_: True)

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
