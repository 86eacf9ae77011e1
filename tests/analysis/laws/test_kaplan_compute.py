import numpy as np
import pytest

from analysis.laws.kaplan import CRITICAL, kaplan_ln_s, optimal_steps
from analysis.laws.kaplan_compute import (
    TABLE_6,
    compute_exponents,
    compute_of_other_size,
    compute_scale,
    loss_above_converged,
    loss_of_compute,
    size_ratio,
    steps_of_other_size,
    steps_ratio,
)
from analysis.laws.published import PF_DAY, PUBLISHED

KAPLAN, BATCH = PUBLISHED["kaplan2020_ln_s"].params, CRITICAL["kaplan2020"]


def test_constants_of_table_3_give_the_exponents_that_the_paper_predicts():
    """B.7 prints .052, 6.5 prints N ~ C^.71, Table 6 .73, .24 and .03: the constants give .0525, .68, .25, .069."""
    found = compute_exponents(KAPLAN, BATCH)
    assert found == pytest.approx({"alpha_C": 0.0525, "N": 0.682, "B": 0.250, "S": 0.069, "D": 0.319}, abs=1e-3)
    assert found["N"] + found["D"] == pytest.approx(1)
    assert TABLE_6["N"][1] + TABLE_6["D"][1] == pytest.approx(1)
    assert compute_scale(KAPLAN, BATCH) / PF_DAY == pytest.approx(1.61e8, rel=5e-3)
    assert loss_above_converged(KAPLAN) == pytest.approx(1.10, abs=2e-3)


def test_scale_and_exponents_are_those_of_the_optimum():
    """B.9 and B.10, and C = 6 N B(L) S exactly."""
    budgets = np.array([1e-3, 1.0, 1e4]) * PF_DAY
    best = optimal_steps(kaplan_ln_s, KAPLAN, budgets, BATCH)
    C_c, powers, above = compute_scale(KAPLAN, BATCH), compute_exponents(KAPLAN, BATCH), loss_above_converged(KAPLAN)
    assert best.loss_nats == pytest.approx((C_c / budgets) ** powers["alpha_C"])
    assert best.n_params == pytest.approx(6.5e13 * (budgets / C_c) ** powers["N"] * above ** (1 / 0.077))
    steps = C_c / (6 * 6.5e13 * 2.1e8) * above ** (-1 / 0.077) * (budgets / C_c) ** powers["S"]
    batch = BATCH.tokens(best.loss_nats)
    assert best.n_tokens == pytest.approx(batch * steps)
    assert 6 * best.n_params * batch * steps == pytest.approx(budgets)


def test_efficient_training_is_larger_shorter_and_takes_65_percent_less_compute():
    """B.12 to B.14 at f = 10 % in the place of 2 %: 2.7 times the size, .13 of the steps, .35 of the compute."""
    size, steps = size_ratio(0.077, 0.1, 0.02), steps_ratio(0.76, 0.1, 0.02)
    assert size == pytest.approx(2.7, abs=0.05)
    assert steps == pytest.approx(0.13, abs=0.005)
    assert size * steps == pytest.approx(0.35, abs=0.01)


def test_a_wrong_size_costs_20_percent_at_its_ends():
    """B.16: .6 to 2.2 times the efficient size stays within 20 %, and 2.2 times takes 45 % fewer steps (B.17)."""
    assert compute_of_other_size([0.577, 1.0, 2.183], 0.077, 0.76) == pytest.approx([1.2, 1.0, 1.2], abs=2e-3)
    assert steps_of_other_size(2.2, 0.077, 0.76) == pytest.approx(0.55, abs=0.005)
    assert steps_of_other_size(0.1, 0.077, 0.76) == np.inf


def test_the_loss_of_a_budget_is_least_at_the_optimum_and_spends_it_exactly():
    """B.3 at the N of B.9 gives the loss of the optimum; and C = 6 N B(L) S of any N."""
    C = 1e20
    best = optimal_steps(kaplan_ln_s, KAPLAN, C, BATCH)
    sizes = best.n_params * np.array([0.5, 0.9, 1.0, 1.1, 2.0])
    loss = loss_of_compute(KAPLAN, BATCH, sizes, C)
    assert loss.argmin() == 2
    assert loss[2] == pytest.approx(float(best.loss_nats), rel=1e-12)
    steps = C / (6 * sizes * BATCH.tokens(loss))
    assert kaplan_ln_s.predict(KAPLAN, N=sizes, S=steps) == pytest.approx(loss, rel=1e-9)
