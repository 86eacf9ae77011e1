"""Another version of a user's own architecture does not stand beside the first without a word."""

import dataclasses
import sys

import pytest

from scaling_harness.errors import UserError
from scaling_harness.execution.execute import execute_alone
from scaling_harness.execution.source_check import check_source
from scaling_harness.plan.plan import Job
from scaling_harness.record.record import write_record
from scaling_harness.record.store import Store
from scaling_harness.train import train_one
from sweeps.launchers.preflight import check_launch
from sweeps.planning.expand import group_into_jobs
from sweeps.planning.manifest import Manifest

OWN = """
from scaling_harness.models.architecture import Architecture


def table(model, vocab_size):
    def build():
        from torch import nn

        return nn.Sequential(nn.Embedding(vocab_size, model.d_model), nn.Linear(model.d_model, vocab_size, bias=False))

    n = vocab_size * model.d_model
    return Architecture({"embedding": n, "head": n}, 6.0 * n, build)
"""
EDITED = OWN.replace("nn.Linear", "nn.Dropout(0.1), nn.Linear")
TARGET = "model.target=edited_module:table"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the user's module; the next process, as it were, imports it anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text):
        (tmp_path / "edited_module.py").write_text(text)
        monkeypatch.delitem(sys.modules, "edited_module", raising=False)

    write(OWN)
    return write


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def trained(write, make_plan, store):
    """The first seed, by the code as it was first written."""
    plan = make_plan(TARGET)
    execute_alone(Job((plan,)), plan.config.runtime, store)
    return plan


@pytest.mark.parametrize("seed", [0, 1])
def test_edited_code_is_refused_for_the_same_run_and_for_another_seed(trained, write, make_config, store, seed):
    config = make_config(TARGET, f"seed={seed}")
    write(EDITED)
    with pytest.raises(UserError, match=r"edited_module:table changed since table-l1-d16-D640-s0.*mix_versions=true"):
        train_one(config)
    write(OWN)
    assert train_one(config) == 0
    write(EDITED)
    told = dataclasses.replace(config, runtime=dataclasses.replace(config.runtime, mix_versions=True))
    assert train_one(told) == 0


def test_a_sweep_with_edited_code_is_refused_before_it_is_launched(trained, write, make_plan, store, capsys):
    write(EDITED)
    plans = [make_plan(TARGET, f"seed={seed}") for seed in (0, 1)]
    runtime, wandb = plans[0].config.runtime, plans[0].config.wandb
    manifest = Manifest("own", "", 0, runtime, wandb, group_into_jobs(plans, 1))
    with pytest.raises(UserError, match="--mix-versions"):
        check_launch(manifest, store)
    check_launch(dataclasses.replace(manifest, runtime=dataclasses.replace(runtime, mix_versions=True)), store)
    assert "warning: the code of edited_module:table changed" in capsys.readouterr().err


def test_another_cell_and_built_in_runs_are_no_matter(trained, write, make_plan, store):
    write(EDITED)
    others = [make_plan(TARGET, "optim.lr=0.01"), make_plan(TARGET, "budget.n_tokens=1280"), make_plan()]
    assert check_source(others, store, mix=False) is None


@pytest.mark.parametrize("changes", [{"status": "failed", "losses": {}}, {"architecture_source": None}])
def test_a_failed_run_and_a_record_of_an_earlier_version_say_nothing(trained, write, make_plan, store, changes):
    write_record(store.run_dir(trained.run_id), dataclasses.replace(store.read(trained.run_id), **changes))
    write(EDITED)
    assert check_source([make_plan(TARGET, "seed=1")], store, mix=False) is None
