import numpy as np
import pytest

from analysis.fitting.goodness_of_fit import fit_quality, profile_offset
from analysis.fitting.objective import LEAST_SQUARES
from analysis.fitting.optimum import fit_point
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.runs.replicates import design_cells, seed_noise

BUDGETS = np.geomspace(1e11, 3e12, 5)


def test_residuals_of_the_true_law_are_as_large_as_seeds_imply(isoflop):
    cells = design_cells(isoflop)
    quality = fit_quality(chinchilla, cells, seed_noise(cells), 0.0029)
    assert quality.seed_rms == pytest.approx(0.005 / np.sqrt(3), rel=0.15)
    assert quality.ratio == pytest.approx(0.0029 / quality.seed_rms)
    assert quality.lack_of_fit_p > 0.01


def test_a_law_that_misses_is_found_out(isoflop):
    frame = isoflop.assign(L=isoflop.L * (1 + 0.02 * np.sin(3 * np.log(isoflop.N))))
    cells = design_cells(frame)
    assert fit_quality(chinchilla, cells, seed_noise(cells), 0.01).lack_of_fit_p < 1e-4


def test_without_replicates_there_is_nothing_to_compare_with(noise_free):
    cells = design_cells(noise_free)
    quality = fit_quality(chinchilla, cells, seed_noise(cells), 0.01)
    assert (quality.seed_rms, quality.ratio, quality.lack_of_fit_p) == (None, None, None)


def test_profile_covers_the_true_offset_and_excludes_zero(isoflop):
    profile = profile_offset(chinchilla, design_cells(isoflop))
    assert profile.identified
    assert profile.ci95[0] < 1.1 < profile.ci95[1]


def test_profile_minimum_is_the_least_squares_fit(isoflop):
    cells = design_cells(isoflop)
    profile = profile_offset(chinchilla, cells)
    inputs = {"N": cells.N.to_numpy(), "D": cells.D.to_numpy()}
    point = fit_point(chinchilla, inputs, cells.L.to_numpy(), LEAST_SQUARES, cells.n_seeds.to_numpy(float))
    assert profile.value == pytest.approx(point.params["E"])
    assert profile.statistic.min() >= 0
    nearest = np.abs(profile.grid - profile.value).argmin()
    assert profile.statistic[nearest] < profile.threshold


def test_an_offset_the_data_do_not_bound_is_unidentified():
    truth = {"E": 0.3, "A": 12.0, "B": 20.0, "alpha": 0.12, "beta": 0.12}
    frame = simulate.isoflop(truth, BUDGETS[:3], noise=0.02, seeds=2, n_sizes=5, span=4)
    assert not profile_offset(chinchilla, design_cells(frame)).identified
