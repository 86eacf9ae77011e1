"""A cost that is not 6 N D, against minimisation by brute force and the closed form of 6 N D."""

import numpy as np
import pytest

from analysis.laws.chinchilla import chinchilla
from analysis.laws.cost_model import (
    SIX_ND,
    CostModel,
    compute_on_frontier,
    cost_from,
    derive_under,
    optimal_under,
)
from analysis.laws.law import derive
from analysis.laws.registry import LAWS
from analysis.to_json import to_json

LAW = {"E": 1.9, "A": 420.0, "B": 1900.0, "alpha": 0.345, "beta": 0.36}
BUDGETS = (1e17, 1e18, 1e19, 1e20)
OVERHEAD = CostModel(overhead=150.0, overhead_power=0.25, budgets=BUDGETS)
DISCOUNT = CostModel(k=7.0, overhead=40.0, overhead_power=0.3, side=-1, budgets=BUDGETS)
POWERS = CostModel(k=9.0, n_power=0.95, d_power=1.02, budgets=BUDGETS)


@pytest.mark.parametrize("cost", [OVERHEAD, DISCOUNT, POWERS], ids=lambda cost: cost.formula)
def test_the_optimum_is_the_lowest_loss_of_the_budget(cost):
    N = np.geomspace(1e7, 1e12, 200_001)
    lowest = chinchilla.predict(LAW, N=N, D=cost.tokens(1e21, N)).argmin()
    best = optimal_under(cost, chinchilla, LAW, 1e21)
    assert best.n_params == pytest.approx(N[lowest], rel=1e-3)
    assert cost.flops(best.n_params, best.n_tokens) == pytest.approx(1e21)
    assert best.loss_nats == pytest.approx(chinchilla.predict(LAW, N=N[lowest], D=cost.tokens(1e21, N[lowest])))


@pytest.mark.parametrize("cost", [OVERHEAD, DISCOUNT, POWERS], ids=lambda cost: cost.formula)
def test_compute_of_a_loss_is_the_inverse_of_the_optimum(cost):
    best = optimal_under(cost, chinchilla, LAW, np.array([1e18, 1e22]))
    np.testing.assert_allclose(compute_on_frontier(cost, chinchilla, LAW, best.loss_nats), [1e18, 1e22], rtol=1e-6)


def test_6nd_keeps_every_bit():
    for C in (1e17, 3.3e21):
        best, before = optimal_under(SIX_ND, chinchilla, LAW, C), chinchilla.optimal(LAW, C)
        assert (best.n_params, best.n_tokens, best.loss_nats) == (before.n_params, before.n_tokens, before.loss_nats)
    assert derive_under(SIX_ND, chinchilla, LAW) == derive(chinchilla, LAW)
    N, D = np.array([1.7e8]), np.array([3.1e9])
    assert SIX_ND.flops(N, D) == 6 * N * D
    assert SIX_ND.tokens(1e20, N) == 1e20 / (6 * N)


def test_a_bisected_optimum_agrees_with_the_closed_form():
    nearly = CostModel(overhead=1e-300, overhead_power=0.5)
    best, before = optimal_under(nearly, chinchilla, LAW, 1e20), chinchilla.optimal(LAW, 1e20)
    assert best.n_params == pytest.approx(before.n_params, rel=1e-12)
    assert best.n_tokens == pytest.approx(before.n_tokens, rel=1e-12)


def test_exponents_are_slopes_over_the_budgets():
    derived = derive_under(OVERHEAD, chinchilla, LAW)
    best = optimal_under(OVERHEAD, chinchilla, LAW, np.array(BUDGETS))
    assert derived["a"] == pytest.approx(np.polyfit(np.log(BUDGETS), np.log(best.n_params), 1)[0])
    assert derived["b"] == pytest.approx(np.polyfit(np.log(BUDGETS), np.log(best.n_tokens), 1)[0])
    assert "G" not in derived


def test_another_constant_moves_the_optimum_and_not_the_exponents():
    eight = CostModel(k=8.0)
    assert derive_under(eight, chinchilla, LAW) == derive(chinchilla, LAW)
    assert optimal_under(eight, chinchilla, LAW, 8e20).n_params == chinchilla.optimal(LAW, 6e20).n_params


def test_draws_with_an_exponent_at_zero_have_no_optimum():
    draws = {name: np.full(2, value) for name, value in LAW.items()} | {"alpha": np.array([0.345, 0.0])}
    assert np.isnan(optimal_under(OVERHEAD, chinchilla, draws, 1e20).n_params).tolist() == [False, True]


def test_a_law_without_an_optimum_is_refused_in_words():
    with pytest.raises(ValueError, match="no optimum under C = 6 N D \\(1 \\+ 150"):
        optimal_under(OVERHEAD, LAWS["kaplan_ln"], {"A": 1.0, "alpha": 0.1}, 1e20)


@pytest.mark.parametrize("cost", [SIX_ND, OVERHEAD, DISCOUNT, POWERS], ids=lambda cost: cost.formula)
def test_a_cost_survives_json(cost):
    assert cost_from(to_json(cost)) == cost


def test_fits_of_before_have_6nd():
    assert cost_from(None) == SIX_ND
