"""The search over a sweep's groups: with losses that are known, and once with an architecture of one's own."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from analysis.runs.conventions import tuning_of
from scaling_harness.cli import main
from scaling_harness.errors import UserError
from scaling_harness.execution.execute import execute
from scaling_harness.plan.plan import Job
from scaling_harness.record.provenance import now
from scaling_harness.record.record import EvalLoss, write_record
from scaling_harness.record.store import Store
from scaling_harness.training.make_record import Measured, record_of
from sweeps.planning.expand import resolve_all
from sweeps.tuning.tune import fields_named, groups_of, tune

SHAPES = "[[1, 16], [1, 32], [2, 64]]"
SWEEP = """# @package _global_
sweep:
  name: small
  question: "?"
  grids:
    - {{ shapes: {shapes}, budgets: {{ n_tokens: [640] }}, seeds: [0, 1], over: {over} }}
"""


def best_lr(plan):
    return 0.01 * (plan.n_params["with_head"] / 1e4) ** -0.5


def loss_of(plan):
    """Lowest at `best_lr` and the smallest batch; diverges at a rate of 1 and more."""
    return math.exp(0.1 * math.log2(plan.learning_rate / best_lr(plan)) ** 2 + 0.1 * math.log2(plan.batch_tokens / 32))


def pretend(_launcher, manifest, store):
    """Give the runs of a sweep the records they would have."""
    for job in manifest.jobs:
        for run in (run for run in job.runs if not store.is_finished(run.run_id)):
            stopped = "the loss is NaN" if run.learning_rate >= 1 else None
            losses = {} if stopped else {"valid": EvalLoss(loss_of(run), 0.01, 512)}
            measured = Measured(losses, 1.0, now(), [], "cpu")
            record = record_of(run, job.job_id, manifest.runtime, store, stopped, measured)
            write_record(store.run_dir(run.run_id), record)
    return True


@pytest.fixture
def command(tiny, tmp_path, monkeypatch, capsys):
    """Run a verb on a sweep of one's own; gives the exit code and what was printed."""
    (tmp_path / "conf" / "sweep").mkdir(parents=True)
    monkeypatch.setattr("sweeps.launchers.local.LocalLauncher.start", pretend)

    def run(verb, *arguments, shapes=SHAPES, over="{}", overrides=()):
        (tmp_path / "conf" / "sweep" / "small.yaml").write_text(SWEEP.format(shapes=shapes, over=over))
        where = ["--config-dir", str(tmp_path / "conf")]
        code = main([*verb.split(), "small", *arguments, *where, *tiny, *overrides])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_every_group_has_the_same_effort_and_a_later_sweep_can_use_what_was_found(command, tmp_path):
    code, out, err = command("tune", "--over", "optim.lr,budget.batch", "--trials", "12", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found == json.loads((tmp_path / "runs" / "small" / "tune.json").read_text())
    assert found["over"] == ["optim.lr", "budget.batch_tokens"]
    assert found["effort"].startswith("12 trials of optim.lr, budget.batch_tokens for each of 3 groups, 72 runs")
    for group in found["groups"]:
        assert (group["n_trials"], group["n_runs"], len(group["trials"])) == (12, 24, 12)
        best = group["best"]["settings"]
        wanted = 0.01 * (group["n_params_with_head"] / 1e4) ** -0.5
        assert best["optim.lr"] == pytest.approx(wanted, rel=0.2)
        assert best["budget.batch_tokens"] == 32
        assert group["bracketed"] == {"optim.lr": True, "budget.batch_tokens": True}
        assert group["default"]["settings"]["optim.lr"] == 0.0025
    choices = found["choices"]
    assert choices["budget.batch_tokens"] == {"choice": 32}
    assert choices["optim.lr"]["choice"]["n_exponent"] == pytest.approx(-0.5, abs=0.15)

    code, out, _ = command("sweep run", "--tuned", "small")
    assert code == 0
    sweep_dir = tmp_path / "runs" / "small"
    assert tuning_of(sweep_dir) == f"{found['effort']} (tune small)"
    code, out, _ = command("sweep plan", "--tuned", "small", "--json")
    for run in json.loads(out)["runs"]:
        law = choices["optim.lr"]["choice"]
        scale = run["n_params_with_head"] / law["n_params"]
        assert run["learning_rate"] == pytest.approx(law["value"] * scale ** law["n_exponent"])


def test_too_few_groups_give_values_but_no_rule(command):
    code, out, _ = command("tune", "--over", "optim.lr", "--trials", "6", shapes="[[1, 16], [1, 64]]")
    assert code == 0
    assert "optim.lr: no rule: 2 minima: at least 3 are needed" in out
    code, _, err = command("sweep run", "--tuned", "small", shapes="[[1, 16], [1, 64]]")
    assert code == 2
    assert "set a value yourself" in err


@pytest.mark.parametrize(
    ("field", "more", "sentence"),
    [
        ("optim.rate", {}, "--over optim.rate is none of optim.lr, "),
        ("optim.beta", {}, "may be any of optim.beta1, optim.beta2"),
        ("model.d_model", {}, "is none of"),
        ("schedule.kind", {}, "'cosine' is not a number"),
        ("optim.weight_decay", {}, "it is 0, which no factor changes"),
        ("optim.lr", {"over": "{ optim.lr: [0.001, 0.002] }"}, "varies optim.lr already"),
        ("optim.lr", {"overrides": ("launcher=slurm",)}, "launcher=local"),
    ],
)
def test_what_cannot_be_tuned_is_a_sentence(command, field, more, sentence):
    code, _, err = command("tune", "--over", field, shapes="[[1, 16]]", **more)
    assert code == 2
    assert sentence in err


def test_no_trial_that_converges_is_a_failure(command):
    code, _, err = command("tune", "--over", "optim.lr", "--trials", "3", shapes="[[1, 16]]", overrides=("optim.lr=8",))
    assert code == 1
    assert "none of 3 trials converged" in err


def test_nothing_was_tuned_yet(command):
    code, _, err = command("sweep run", "--tuned", "small", shapes="[[1, 16]]")
    assert code == 2
    assert "run `scaling-harness tune small" in err


def table(config, vocab_size):
    """A table of next tokens."""
    from scaling_harness.models.architecture import Architecture

    def build():
        from torch import nn

        return nn.Sequential(
            nn.Embedding(vocab_size, config.d_model), nn.Linear(config.d_model, vocab_size, bias=False)
        )

    params = {"embedding": vocab_size * config.d_model, "head": config.d_model * vocab_size}
    return Architecture(params, 6.0 * params["head"], build)


def test_an_architecture_of_ones_own_goes_through_it_unchanged(make_config, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    config = make_config("model.target=test_tune:table")
    groups = groups_of(resolve_all([config]))
    store = Store(Path(config.runtime.runs_dir))

    def train(plans):
        for plan in plans:
            assert execute(Job((plan,)), config.runtime, store, lambda: False).kind == "completed"

    (tuned,) = tune(groups, fields_named(["optim.lr"], groups), 3, train, store)
    rates = {trial.settings["optim.lr"]: trial.loss for trial in tuned.result.trials}
    assert list(rates) == [0.0025, 0.00125, 0.005]
    assert tuned.result.best.settings["optim.lr"] == 0.005  # twenty steps: the faster, the better
    assert rates[0.005] < rates[0.0025] < rates[0.00125]
    document = tuned.to_dict()
    assert document["architecture"] == "test_tune:table"
    assert document["bracketed"] == {"optim.lr": False}


def test_seeds_are_one_group_and_anything_else_is_another(make_config):
    base = make_config()
    shifted = dataclasses.replace(base, optim=dataclasses.replace(base.optim, beta2=0.9))
    plans = resolve_all([base, dataclasses.replace(base, seed=1), shifted])
    assert [len(group.plans) for group in groups_of(plans)] == [2, 1]
    with pytest.raises(UserError, match=r"varies optim\.beta2 already"):
        fields_named(["optim.beta2"], groups_of(plans))
