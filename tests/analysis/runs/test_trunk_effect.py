import numpy as np
import pandas as pd
import pytest

from analysis.fitting.resample import unit_draws
from analysis.runs.trunk_effect import TrunkEffect, trunk_effect

SIZES, SEEDS, BUDGETS = 12, 3, 6


def ladder(sd_trunk, sd_branch, rng, n_seeds=SEEDS):
    """Runs of a ladder whose losses have noise of both kinds."""
    size, seed, budget = (part.ravel() for part in np.mgrid[:SIZES, :n_seeds, :BUDGETS])
    common, own = rng.standard_normal((SIZES, n_seeds)), rng.standard_normal(len(size))
    log_loss = 3 - 0.1 * budget + sd_trunk * common[size, seed] + sd_branch * own
    trunk = [f"t{each}" for each in size]
    return pd.DataFrame({"N": 1000 + size, "D": 1e6 * 2.0**budget, "L": np.exp(log_loss), "seed": seed, "trunk": trunk})


def test_both_components_are_found_without_bias():
    found = trunk_effect(ladder(0.003, 0.002, np.random.default_rng(0), n_seeds=2000))
    assert found.sd_trunk**2 == pytest.approx(0.003**2, rel=0.1)
    assert found.sd_branch**2 == pytest.approx(0.002**2, rel=0.05)
    assert found.share == pytest.approx(9 / 13, abs=0.05)
    assert found.n_sizes == SIZES


def test_a_budget_that_a_seed_lacks_is_left_out_of_its_size():
    whole = ladder(0.003, 0.002, np.random.default_rng(1))
    short = whole.drop(index=[0])
    without = whole[~((whole.N == 1000) & (whole.D == 1e6))]
    assert trunk_effect(short) == trunk_effect(without)


@pytest.mark.parametrize(
    "change",
    [lambda f: f.drop(columns="trunk"), lambda f: f.assign(trunk=None), lambda f: f[f.seed == 0], lambda f: f[:2]],
)
def test_without_branches_or_seeds_there_is_none(change):
    assert trunk_effect(change(ladder(0.003, 0.002, np.random.default_rng(2)))) is None


def test_few_sizes_are_said():
    effect = TrunkEffect(0.003, 0.002, 2)
    assert "69% of the variance" in effect.sentence()
    assert "4 or more are needed" in effect.sentence()
    assert "needed" not in TrunkEffect(0.003, 0.002, 4).sentence()


def test_drawn_noise_has_that_correlation_within_a_size_and_none_between():
    sizes = np.repeat([10.0, 20.0, 30.0], 2)
    draws = unit_draws(6, 20_000, 10**6, np.random.default_rng(3), sizes, 0.6)
    expected = np.where(sizes[:, None] == sizes, 0.6, 0.0) + 0.4 * np.eye(6)
    np.testing.assert_allclose(np.corrcoef(draws.T), expected, atol=0.03)
    np.testing.assert_allclose(draws.std(axis=0), 1, atol=0.03)


def test_degrees_of_freedom_are_those_of_correlated_squares():
    rng, share, budgets, seeds = np.random.default_rng(4), 0.7, 5, 9
    common, own = rng.standard_normal((4000, seeds, 1)), rng.standard_normal((4000, seeds, budgets))
    noise = np.sqrt(share) * common + np.sqrt(1 - share) * own
    variance = noise.var(axis=1, ddof=1).mean(axis=1)
    worth = 2 * variance.mean() ** 2 / variance.var()
    effect = TrunkEffect(share**0.5, (1 - share) ** 0.5, 9)
    assert effect.dof_of((seeds - 1) * budgets, budgets) == pytest.approx(worth, rel=0.1)
