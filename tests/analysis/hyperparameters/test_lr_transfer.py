"""Transfer regret, of losses that are known beforehand."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from analysis.hyperparameters.lr_transfer import transfers
from scaling_harness.cli import main
from scaling_harness.errors import HarnessError

LRS = (0.001, 0.002, 0.004, 0.008)


def runs(best, noise=0.0, seeds=3, lrs=LRS, rng=None):
    """Ln L = 1 + .02 (log2 lr - log2 best)^2 at each width, a shift a seed, noise a run."""
    rng = rng or np.random.default_rng(0)
    rows = []
    for (width, lr_best), lr, seed in itertools.product(best.items(), lrs, range(seeds)):
        log_loss = 1 + 0.02 * np.log2(lr / lr_best) ** 2 + 0.01 * seed + noise * rng.standard_normal()
        rows.append({"d_model": width, "n_tokens": 1000, "lr": lr, "seed": seed, "L": np.exp(log_loss)})
    return pd.DataFrame(rows)


def test_the_regret_is_what_the_wrong_rate_costs():
    same, doubled = transfers(runs({16: 0.004, 32: 0.004, 128: 0.002}))
    assert (same.d_model, same.lr_own, same.regret.value) == (32, 0.004, 0.0)
    assert (doubled.lr_smallest, doubled.lr_own) == (0.004, 0.002)
    assert doubled.regret.value == pytest.approx(0.02)
    assert doubled.loss_smallest / doubled.loss_own == pytest.approx(np.exp(0.02))
    assert same.problem is None


def test_where_rates_do_not_matter_luck_is_no_regret():
    """Judging a choice by the runs that made it would give .005 here; the interval holds 0 as often as it says."""
    rng, lrs = np.random.default_rng(0), (0.003999, 0.004, 0.004001)
    found = [transfers(runs({16: 0.004, 64: 0.004}, 0.01, lrs=lrs, rng=rng))[0].regret for _ in range(80)]
    assert np.mean([r.value for r in found]) == pytest.approx(0.0, abs=0.003)
    assert np.mean([r.ci95[0] <= 0 <= r.ci95[1] for r in found]) > 0.9


def test_a_rate_at_the_edge_is_said():
    (found,) = transfers(runs({16: 0.001, 64: 0.002}))
    assert found.problem == "the best rate at the smallest width, 0.001, is the lowest tried"


def test_a_rate_that_diverges_at_the_larger_width_is_no_zero():
    frame = runs({16: 0.004, 64: 0.002})
    (found,) = transfers(frame[(frame.d_model != 64) | (frame.lr != 0.004) | (frame.seed != 1)])
    assert found.regret is None
    assert found.loss_smallest is None
    assert "width 64" in found.problem


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (runs({16: 0.004}), "two widths"),
        (runs({16: 0.004, 64: 0.004}, seeds=1), "share 1 seeds"),
        (runs({16: 0.004, 64: 0.004}, lrs=(0.004,)), "one learning rate"),
    ],
)
def test_too_little_is_a_sentence(frame, sentence):
    with pytest.raises(HarnessError, match=sentence):
        transfers(frame)


def test_the_verb_prints_what_a_sweep_says(make_sweep, record, capsys):
    records = []
    for i, run in enumerate(runs({16: 0.004, 64: 0.002}).itertuples()):
        made = record(f"run{i}", 100 * run.d_model, 512 * 100, run.L, seed=run.seed, learning_rate=run.lr)
        made.config["model"]["d_model"], made.config["optim"] = run.d_model, {"lr": run.lr}
        records.append(made)
    sweep = str(make_sweep(records))
    assert main(["transfer", sweep]) == 0
    assert "2 % [2 %, 2 %]" in capsys.readouterr().out
    assert main(["transfer", sweep, "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["regret"]["value"] == pytest.approx(0.02)
