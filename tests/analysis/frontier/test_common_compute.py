"""The grids of the quick and standard tiers without noise, under each count of N: issue 15's numbers."""

import numpy as np
import pandas as pd
import pytest

from analysis.frontier.approach2_isoflop import slices
from analysis.frontier.approaches import three_approaches
from analysis.frontier.common_compute import at_common_compute
from analysis.laws.chinchilla import skaling
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs

# Skaling's law as the quick tier's runs have it by N with head
TRUTH = {"E": 0.6373, "A": 371.6, "B": 404.8, "alpha": 0.66388, "beta": 0.50432, "k": 0.52179}
QUICK = {
    3.9e10: (16, 20, 24, 32, 40),
    8.0e10: (16, 20, 24, 32, 40),
    1.6e11: (20, 24, 32, 40, 48),
    3.15e11: (24, 32, 40, 48, 64),
    1.26e12: (40, 48, 64, 80, 96),
}
STANDARD = {**QUICK, 2.0e12: (48, 64, 80, 96, 112), 8.0e12: (72, 80, 96, 112, 128)}
BYTES = 256


def counted(d, count):
    """N of two layers of a width."""
    vocabularies = {"non_embedding": 0, "with_head": 1, "total": 2}[count]
    return 24 * d**2 + vocabularies * BYTES * d


def grid(budgets, count):
    """Exact losses of a tier, N by a count; C = 6 N D is even for N with head alone."""
    d, flops = (np.array(x, float) for x in zip(*((w, C) for C, ws in budgets.items() for w in ws), strict=True))
    D = flops / (6 * counted(d, "with_head"))
    N = counted(d, count)
    return pd.DataFrame({"N": N, "D": D, "C": 6 * N * D, "L": loss(d, D)})


def loss(d, D):
    return skaling.predict(TRUTH, N=counted(d, "with_head"), D=D)


def exact(budgets, count):
    """Slope of the true optimum under a count, over the middles of the budgets."""
    d = np.geomspace(4, 400, 20_001)
    flops = [C * ratio for C, ratio in zip(budgets, _ratios(budgets, count), strict=True)]
    best = [counted(d[loss(d, C / (6 * counted(d, count))).argmin()], count) for C in flops]
    return float(np.polyfit(np.log(flops), np.log(best), 1)[0])


def _ratios(budgets, count):
    return [
        float(np.exp(np.log(counted(np.array(w), count) / counted(np.array(w), "with_head")).mean()))
        for w in budgets.values()
    ]


def slope(cells):
    usable = [piece for piece in slices(cells) if piece.problem is None]
    return np.polyfit(np.log([p.train_flops for p in usable]), np.log([p.n_opt for p in usable]), 1)[0]


@pytest.mark.parametrize(
    ("budgets", "count", "truth"),
    [
        (QUICK, "non_embedding", 0.485),
        (QUICK, "total", 0.403),
        (STANDARD, "non_embedding", 0.478),
        (STANDARD, "total", 0.406),
    ],
)
def test_another_count_of_n_is_interpolated_to_a_common_c(budgets, count, truth):
    """Chained into one parabola the four were .460, .414, .4545 and .414."""
    assert exact(budgets, count) == pytest.approx(truth, abs=1e-3)
    level = at_common_compute(design_cells(grid(budgets, count)))
    assert slope(level.cells) == pytest.approx(truth, abs=0.009)
    assert "losses were interpolated along D to a common C" in level.warnings[-1]
    np.testing.assert_allclose(level.cells.L, skaling_at(level.cells, count), rtol=6e-3)


def skaling_at(cells, count):
    vocabularies = {"non_embedding": 0, "total": 2}[count]
    b = vocabularies * BYTES
    d = (-b + np.sqrt(b**2 + 96 * cells.N.to_numpy())) / 48
    return loss(d, cells.D.to_numpy())


def test_an_even_grid_is_left_as_it_is():
    cells = design_cells(grid(QUICK, "with_head"))
    level = at_common_compute(cells)
    assert level.cells is cells
    assert level.warnings == ()
    np.testing.assert_array_equal(level.weights, np.eye(len(cells)))


def test_a_budget_that_cannot_be_interpolated_is_left_out_with_the_reason():
    found = three_approaches(Runs(grid(QUICK, "non_embedding")), resamples=20)
    second = found.approaches["2"]
    assert len(second.points) == 4
    assert [row["reason"] for row in second.excluded] == [
        "C varies by 14% between its sizes, and too few were trained on both sides of one C"
    ]
    assert any("C varies by up to 32% between the sizes of 4 budgets" in sentence for sentence in second.warnings)
    assert any("budget 1.07e+12: C varies by 14% between its sizes" in sentence for sentence in second.warnings)
    assert all("C varies" in row["reason"] for row in found.variants["2 akima"].excluded)
    alone = grid(QUICK, "non_embedding").drop_duplicates("N")
    assert np.isnan(three_approaches(Runs(alone.iloc[:20]), resamples=20).approaches["2"].a.value)


def test_interpolated_noise_is_that_of_the_runs_it_is_made_of():
    """The variance of an interpolated ln L, from its weights and from simulated noise; and its worth in seeds."""
    cells = design_cells(pd.concat([grid(QUICK, "non_embedding")] * 2))
    level = at_common_compute(cells)
    noise = 0.01 / np.sqrt(2) * np.random.default_rng(0).standard_normal((4000, len(cells)))
    sd = (noise @ level.weights.T).std(axis=0)
    np.testing.assert_allclose(sd, 0.01 / np.sqrt(level.cells.n_seeds), rtol=0.05)
    np.testing.assert_allclose(level.weights.sum(axis=1), 1.0)
    assert (level.cells.n_seeds > 1.99).all()
