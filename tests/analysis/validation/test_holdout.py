import numpy as np
import pytest

from analysis.laws import simulate
from analysis.runs.replicates import design_cells
from analysis.validation.holdout import forecast_sentence, hold_out_budgets
from scaling_harness.errors import HarnessError


def test_a_true_law_forecasts_its_own_largest_budget_exactly(noise_free):
    held = hold_out_budgets(design_cells(noise_free))
    assert held.budget == pytest.approx(3e12)
    assert held.gap == pytest.approx(30 ** (1 / 4))
    assert held.mean_abs_rel_error < 1e-6
    assert held.skill > 0.9999
    assert held.best_predicted == pytest.approx(held.best_observed, rel=1e-6)
    assert held.n_held_out == 9


def test_errors_are_those_of_the_forecasts_they_name():
    frame = simulate.isoflop(
        {"E": 1.0, "A": 40.0, "B": 100.0, "alpha": 0.35, "beta": 0.35}, [1e11, 1e12, 1e13], noise=0, seeds=1
    )
    cells = design_cells(frame)
    held = hold_out_budgets(cells)
    last = cells[np.isclose(cells.C, 1e12)]
    expected = np.exp(np.interp(np.log(held.points.N), np.log(last.N), last.log_loss))
    assert held.error_last_budget == pytest.approx(np.abs(expected / held.points.L - 1).mean())
    assert held.error_power_law < held.error_last_budget
    assert held.n_held_out == len(held.points)


def test_noise_gives_an_error_of_its_own_size(isoflop):
    held = hold_out_budgets(design_cells(isoflop))
    assert 0 < held.mean_abs_rel_error < 0.01
    assert 0 < held.skill < 1
    assert "forecast of 3e+12 FLOP" in forecast_sentence(held)


def test_two_budgets_can_be_left_out(noise_free):
    held = hold_out_budgets(design_cells(noise_free), n_budgets=2)
    assert held.n_held_out == 18
    assert held.gap == pytest.approx(30 ** (2 / 4))


def test_losses_that_do_not_change_leave_nothing_to_forecast(noise_free):
    with pytest.raises(HarnessError, match="nothing to forecast"):
        hold_out_budgets(design_cells(noise_free.assign(L=2.0)))


def test_too_few_budgets_are_refused(noise_free):
    with pytest.raises(HarnessError, match="5 budgets cannot spare 4"):
        hold_out_budgets(design_cells(noise_free), n_budgets=4)
