import numpy as np
import pandas as pd
import pytest

from analysis.comparing.common_exponents import common_exponent
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla, skaling
from analysis.laws.kaplan import kaplan_ln
from scaling_harness.errors import HarnessError

BUDGETS = np.geomspace(1e11, 3e12, 4)
TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
OTHER_OFFSETS = {**TRUTH, "E": 0.9, "A": 70.0, "B": 120.0}


def grid(params, seed):
    return simulate.isoflop(params, BUDGETS, seeds=2, n_sizes=7, noise=0.003, seed=seed)


def line(slope, seed, noise=0.01, n=12):
    N = np.geomspace(1e4, 1e7, n)
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"N": N, "L": 20 * N**-slope * np.exp(noise * rng.standard_normal(n))})


def test_slopes_of_lines_are_those_of_one_regression_with_two_intercepts():
    groups = {"a": line(0.1, 0), "b": line(0.1, 1).assign(L=lambda f: 2 * f.L)}
    found = common_exponent(groups, kaplan_ln, resamples=200)
    x = np.concatenate([np.log(g.N) - np.log(g.N).mean() for g in groups.values()])
    y = np.concatenate([np.log(g.L) - np.log(g.L).mean() for g in groups.values()])
    assert found.shared["alpha"] == pytest.approx(-(x @ y) / (x @ x), rel=1e-6)
    shared = ((y + found.shared["alpha"] * x) ** 2).sum()
    apart = sum((np.polyfit(np.log(g.N), np.log(g.L), 1, full=True)[1][0]) for g in groups.values())
    assert found.statistic == pytest.approx(24 * np.log(shared / apart), rel=1e-4)
    assert found.dof == 1
    assert found.p_bootstrap > 0.05
    assert "not refuted" in found.sentence()


def test_different_slopes_are_refuted():
    found = common_exponent({"a": line(0.1, 0), "b": line(0.12, 1)}, kaplan_ln, resamples=200)
    assert found.p_value < 1e-3
    assert found.p_bootstrap < 0.01
    assert found.separate["a"]["alpha"] == pytest.approx(0.1, abs=0.01)
    assert found.separate["b"]["alpha"] == pytest.approx(0.12, abs=0.01)


def test_chinchilla_exponents_are_shared_whatever_the_offsets():
    found = common_exponent({"a": grid(TRUTH, 0), "b": grid(OTHER_OFFSETS, 1)}, chinchilla, resamples=100)
    assert found.dof == 2
    assert found.p_bootstrap > 0.05
    assert found.shared["alpha"] == pytest.approx(0.38, abs=0.06)
    assert found.shared["beta"] == pytest.approx(0.35, abs=0.06)


def test_noise_free_groups_give_the_shared_exponents_exactly():
    groups = {
        name: simulate.isoflop(p, BUDGETS, noise=1e-9, seeds=1) for name, p in (("a", TRUTH), ("b", OTHER_OFFSETS))
    }
    found = common_exponent(groups, chinchilla, resamples=2)
    assert found.shared == pytest.approx({"alpha": 0.38, "beta": 0.35}, abs=1e-5)


def test_other_chinchilla_exponents_are_refuted():
    other = {**TRUTH, "alpha": 0.30, "A": 20.0}
    found = common_exponent({"a": grid(TRUTH, 0), "b": grid(other, 1)}, chinchilla, resamples=100)
    assert found.p_bootstrap < 0.05


def test_false_alarms_are_as_rare_as_said():
    """30 pairs under the shared slope: more than 6 rejections at 5 % would be a 1-in-3000 accident."""
    alarms = 0
    for seed in range(30):
        groups = {"a": line(0.1, 2 * seed, n=6), "b": line(0.1, 2 * seed + 1, n=6)}
        alarms += common_exponent(groups, kaplan_ln, resamples=99, seed=seed).p_bootstrap <= 0.05
    assert alarms <= 6


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(HarnessError, match="needs two groups"):
        common_exponent({"a": line(0.1, 0)}, kaplan_ln)
    with pytest.raises(HarnessError, match="needs two groups and a plain sum"):
        common_exponent({"a": line(0.1, 0), "b": line(0.1, 1)}, skaling)
    with pytest.raises(HarnessError, match="b has 2 runs"):
        common_exponent({"a": line(0.1, 0), "b": line(0.1, 1).head(2)}, kaplan_ln)
