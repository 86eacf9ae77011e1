import numpy as np
import pandas as pd
import pytest

from analysis.frontier import approach2_akima as akima
from analysis.runs.replicates import design_cells

LADDER = {
    "rw": (0.835, 0.706, 0.602, 0.571, 0.497),
    "owt2": (0.864, 0.699, 0.603, 0.574, 0.518),
}


@pytest.fixture(scope="module")
def porian(published_dir):
    points = pd.read_csv(published_dir / "porian_isoflop_points.csv").rename(columns={"flops": "C", "loss": "L"})
    published = pd.read_csv(published_dir / "porian_published_exponents.csv")
    return points[points.step.notna()], published[published.step.notna()]


@pytest.mark.parametrize(("dataset", "step"), [(d, i) for d in LADDER for i in range(5)])
def test_porians_exponents_come_out_inside_their_published_intervals(porian, dataset, step):
    points, published = (
        frame[(frame.dataset == dataset) & frame.step.str.startswith(str(step + 1))] for frame in porian
    )
    row = published.iloc[0]
    assert row.a_weighted == pytest.approx(LADDER[dataset][step], abs=6e-4)
    cells = design_cells(points)
    found = akima.akima_approach(cells, akima.porian_draws(cells, 1000, np.random.default_rng(0)))
    assert row.a_ci_lo < found.a.value < row.a_ci_hi
    assert found.a.ci95[0] < row.a_weighted < found.a.ci95[1]
    assert found.a.value + found.b.value == pytest.approx(1.0, abs=0.02)


def test_noise_is_the_printed_power_law_between_its_ends():
    np.testing.assert_allclose(
        akima.porian_noise(np.array([2.0, 3.0, np.sqrt(21.0), 7.0, 9.0])), [0.002, 0.002, 0.01, 0.05, 0.05]
    )


def test_a_minimum_between_sizes_is_found():
    x = np.linspace(0, 6, 13)
    place, low, edge = akima.lowest(x, np.stack([(x - 2.1) ** 2 * 0.1 + 1, 3 - x]))
    assert place[0] == pytest.approx(2.1, abs=0.05)
    assert low[0] == pytest.approx(1, abs=0.01)
    assert edge.tolist() == [False, True]


def test_sd_has_a_floor_of_a_third_of_a_cell_and_grows_with_the_share_at_the_edge():
    x = np.linspace(0, 6, 7)
    curve = 1 + 0.1 * (x - 3.2) ** 2
    exact = akima.minimum(x, np.log(curve), np.log(np.tile(curve, (10, 1))))
    assert exact.sd == pytest.approx(1 / 3)
    at_edge = np.where(np.arange(10)[:, None] < 4, 3 - 0.1 * x, curve)
    some = akima.minimum(x, np.log(curve), np.log(at_edge))
    assert some.problem is None
    assert some.sd == pytest.approx(1 / 3 / 0.6)
    assert np.isnan(some.draws).sum() == 4


def test_budgets_at_the_edge_in_most_resamples_are_dropped_with_the_reason():
    x = np.linspace(0, 6, 7)
    curve = 1 + 0.1 * (x - 0.4) ** 2
    falling = np.where(np.arange(10)[:, None] < 6, 3 + 0.1 * x, curve)
    found = akima.minimum(x, np.log(curve), np.log(falling))
    assert found.problem == "minimum at the edge: near the smallest size, in 60% of resamples"
    few = akima.minimum(x[:2], np.log(curve[:2]), np.log(falling[:, :2]))
    assert few.problem == "2 sizes, at least 3 are needed"


def test_three_budgets_are_needed(noise_free):
    cells = design_cells(noise_free[noise_free.C < 4e11])
    found = akima.akima_approach(cells, akima.porian_draws(cells, 20, np.random.default_rng(0)))
    assert np.isnan(found.a.value)
    assert "at least 3" in found.warnings[0]
