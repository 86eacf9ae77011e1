import numpy as np
import pandas as pd
import pytest

from analysis.design.half_widths import earlier_runs, grid_of, misfit_by_budget, predict_half_widths, seed_pattern
from analysis.laws.chinchilla import chinchilla
from analysis.runs.replicates import design_cells, seed_noise
from analysis.runs.selection import Runs
from analysis.runs.trunk_effect import trunk_effect


@pytest.fixture
def ladder(truth):
    """Sizes around the optimum of six budgets, two seeds each, as branches of trunks."""
    budgets = 4e10 * 2.0 ** np.arange(6)
    best = chinchilla.optimal(truth, budgets).n_params
    rows = [
        {"N": n, "D": c / (6 * n), "seed": seed, "trunk": f"{n}-{seed}"}
        for n in 4e3 * 1.35 ** np.arange(16)
        for c, star in zip(budgets, best, strict=True)
        for seed in (0, 1)
        if star / 2.35 < n < 2.35 * star
    ]
    return pd.DataFrame(rows)


def test_the_pattern_has_the_noise_and_the_share_it_is_to_have(ladder):
    frame = ladder.assign(C=6 * ladder.N * ladder.D, L=2 * np.exp(0.003 * seed_pattern(ladder, 0.4)))
    cells = design_cells(frame)
    np.testing.assert_allclose(cells.L, 2)
    assert seed_noise(cells).sd == pytest.approx(0.003)
    assert trunk_effect(frame).share == pytest.approx(0.4, abs=0.01)


def test_budgets_of_one_seed_leave_the_noise_as_it_is(ladder):
    alone = ladder.assign(C=6 * ladder.N * ladder.D, trunk=None)
    once = alone[(alone.C.min() * 1.1 > alone.C) | (alone.seed == 0)]  # the lowest budget alone has both seeds
    frame = once.assign(L=2 * np.exp(0.003 * seed_pattern(once, 0.0)))
    assert seed_noise(design_cells(frame)).sd == pytest.approx(0.003)


def test_a_predicted_interval_of_approach_3_is_that_of_the_fits_curvature(ladder, isoflop):
    law = earlier_runs(Runs(isoflop)).laws[0]
    predicted = predict_half_widths(ladder, law, 0.004, resamples=400)
    names = list(law.values)

    def log_loss(values):
        return np.log(law.law.predict(dict(zip(names, values, strict=True)), N=ladder.N, D=ladder.D))

    at = np.array([float(law.values[name]) for name in names])
    slopes = [(log_loss(at + step) - log_loss(at - step)) / (2 * step.sum()) for step in np.diag(1e-4 * at)]
    covariance = 0.004**2 * np.linalg.inv(np.array(slopes) @ np.array(slopes).T)
    alpha, beta = at[names.index("alpha")], at[names.index("beta")]
    gradient = np.zeros(5)
    gradient[[names.index("alpha"), names.index("beta")]] = np.array([-beta, alpha]) / (alpha + beta) ** 2
    expected = 1.96 * np.sqrt(gradient @ covariance @ gradient)
    assert predicted.half_widths["3"] == pytest.approx(expected, rel=0.25)
    assert set(predicted.half_widths) == {"1", "2", "3"}
    assert predicted.a == pytest.approx(law.derived["a"].value)
    assert abs(predicted.errors["3"]) < 1e-3


def test_a_planned_trunk_is_no_run_of_the_grid():
    plan = [
        {"run_id": "t", "n_params_with_head": 10, "n_tokens": 100, "seed": 0, "trunk": None, "state": "waiting"},
        {"run_id": "b", "n_params_with_head": 10, "n_tokens": 120, "seed": 0, "trunk": "t", "state": "waiting"},
    ]
    assert grid_of(plan).to_dict("records") == [{"N": 10, "D": 120, "seed": 0, "trunk": "t"}]


def test_earlier_runs_tell_their_noise(isoflop):
    earlier = earlier_runs(Runs(isoflop))
    assert [law.law.name for law in earlier.laws] == ["chinchilla", "skaling", "tied"]
    assert earlier.noise == pytest.approx(0.005, rel=0.2)
    assert earlier.share == 0.0


def test_a_wave_along_compute_is_measured_and_widens_approach_3(ladder, truth, isoflop):
    law = earlier_runs(Runs(isoflop)).laws[0]
    budgets = np.log(4e10 * 2.0 ** np.arange(6))
    wave = 0.01 * np.array([1, -1, -1, 1, 1, -1.0])
    frame = ladder.assign(C=6 * ladder.N * ladder.D, L=law.law.predict(law.values, N=ladder.N, D=ladder.D))
    frame["L"] *= np.exp(np.interp(np.log(frame.C), budgets, wave))
    ln_c, missed = misfit_by_budget(frame, law)
    np.testing.assert_allclose(ln_c, budgets, atol=0.06)
    np.testing.assert_allclose(missed, wave, atol=1e-9)
    exact, waved = (predict_half_widths(ladder, law, 0.003, resamples=100, misfit=m) for m in (None, (ln_c, missed)))
    assert waved.half_widths["3"] > 2 * exact.half_widths["3"]
