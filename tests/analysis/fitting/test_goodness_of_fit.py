import dataclasses

import numpy as np
import pytest

from analysis.fitting.goodness_of_fit import fit_quality, lack_of_fit, law_point, profile_offset
from analysis.fitting.objective import LEAST_SQUARES
from analysis.fitting.optimum import fit_point
from analysis.fitting.resample import cell_sd
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.runs.replicates import FALL_WITH_COMPUTE, SeedNoise, design_cells, falling_noise, seed_noise
from tests.analysis.conftest import TRUTH

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


TIER_SEEDS = np.repeat([3, 2, 2, 1, 1], 5)  # of the five budgets of `two-layers-quick`, five sizes each


def tier(rng, slope=0.0):
    """Cells of the quick tier's shape, noise .35 % at the middle budget, and falling with C at a slope."""
    grid = simulate.isoflop({**TRUTH, "E": 0.8}, BUDGETS, noise=0.0, seeds=1, n_sizes=5, span=2.5)
    runs = grid.loc[np.repeat(grid.index, TIER_SEEDS)].reset_index(drop=True)
    sd = 0.0035 * (runs.C / BUDGETS[2]) ** slope
    return design_cells(runs.assign(L=runs.L * np.exp(sd * rng.standard_normal(len(runs)))))


@pytest.fixture(scope="module")
def start():
    """The true law through one such tier: others are fitted from there."""
    return law_point(chinchilla, tier(np.random.default_rng(0)))


def through(start, cells):
    """The law through other cells."""
    other = dataclasses.replace(start, log_loss=cells.log_loss.to_numpy())
    return dataclasses.replace(other, z_P=other.refit().z_KP[0])


def test_residuals_and_seeds_are_weighted_alike_so_that_the_true_law_has_a_ratio_of_one(start):
    """Under one weighting the mean square of the ratio is 1; with seeds unweighted it would be .83 here."""
    rng, known = np.random.default_rng(5), SeedNoise(0.0035, 20)
    seed_rms = fit_quality(chinchilla, tier(rng), known, 1.0).seed_rms
    square = np.mean([(through(start, tier(rng)).residual_rms / seed_rms) ** 2 for _ in range(60)])
    assert square == pytest.approx(1.0, abs=0.08)  # its standard error is .04
    unweighted = (1 / TIER_SEEDS).mean() * TIER_SEEDS.mean()
    assert square / unweighted < 0.9


def test_noise_of_cells_is_scaled_up_by_the_same_ratio(start):
    cells, noise = tier(np.random.default_rng(0)), SeedNoise(0.0035, 20)
    expected = 0.0035 / np.sqrt(cells.n_seeds)
    np.testing.assert_allclose(cell_sd(cells, noise, 0.0035), expected)
    np.testing.assert_allclose(cell_sd(cells, noise, 0.0070), 2 * expected)
    ratio = fit_quality(chinchilla, cells, noise, start.residual_rms).ratio
    assert start.run_scatter / 0.0035 == pytest.approx(ratio)


def test_a_test_that_knows_how_the_noise_falls_keeps_its_level(start):
    """60 sweeps of the true law: p < .05 in 5 % of them; taken as even, the same noise is a lack of fit in most."""
    rng, slope = np.random.default_rng(3), -FALL_WITH_COMPUTE
    p_values = []
    for _ in range(60):
        cells = tier(rng, slope)
        even = seed_noise(cells)
        p_values.append(lack_of_fit(through(start, cells), cells, [falling_noise(cells, "C", even, slope), even]))
    falling, even = (np.array(p_values) < 0.05).mean(axis=0)
    assert falling <= 0.1
    assert even > 0.5
