import numpy as np
import pandas as pd
import pytest

from analysis.frontier import approach1_envelope as envelope
from analysis.runs.curves import curves_of
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs


def test_envelope_is_the_lower_hull_of_curves_that_are_power_laws(truth):
    sizes = np.geomspace(1e4, 1e6, 9)
    frame = pd.DataFrame({"N": sizes, "D": 1e14 / (6 * sizes), "C": 1e14, "L": 3.0})
    frame.loc[0, ["D", "C"]] = [1e13 / (6 * sizes[0]), 1e13]
    tokens = np.geomspace(1e5, 1e10, 400)
    curves = {i: (tokens, 1 + 40 * n**-0.4 + 100 * tokens**-0.35) for i, n in enumerate(sizes)}
    cells = design_cells(frame)
    traced = envelope.build(Runs(frame), cells, curves)
    assert (traced.train_flops[0], traced.train_flops[-1]) == (pytest.approx(1e13), pytest.approx(1e14))
    for g in (0, 700, 1499):
        d = traced.train_flops[g] / (6 * cells.N.to_numpy())
        losses = 1 + 40 * cells.N.to_numpy() ** -0.4 + 100 * d**-0.35
        assert traced.winner[g] == losses.argmin()
        np.testing.assert_allclose(traced.log_loss[:, g], np.log(losses), atol=1e-4)


def test_flops_where_an_edge_size_wins_are_left_out_with_the_reason():
    sizes = np.geomspace(1e4, 1e6, 6)
    frame = pd.DataFrame({"N": sizes, "D": 1e13 / (6 * sizes), "C": np.geomspace(1e12, 1e13, 6), "L": 3.0})
    tokens = np.geomspace(1e3, 1e10, 200)
    curves = {i: (tokens, np.full(200, 3.0 - 0.1 * i)) for i in range(6)}
    traced = envelope.build(Runs(frame), design_cells(frame), curves)
    assert not traced.kept.any()
    assert traced.reasons == (
        {"what": "1500 of 1500 FLOPs", "reason": "minimum at the edge: the largest size has the lowest loss"},
    )


def test_seeds_are_averaged_before_the_minimum_is_taken(simulated_sweep):
    runs = load_runs(simulated_sweep)
    cells = design_cells(runs.frame)
    curves = curves_of(runs)
    assert len(curves) == 135
    traced = envelope.build(runs, cells, curves)
    assert traced.log_loss.shape == (45, envelope.N_FLOPS)
    last = traced.log_loss[cells.C.argmax(), -1]
    assert last == pytest.approx(cells.log_loss[cells.C.argmax()], abs=2e-3)


def test_the_lower_hull_is_scipys_and_drops_what_lies_above():
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 10, 200))
    y = -x + rng.exponential(1.0, 200)
    rows = envelope.lower_hull(x, y)
    around = set(ConvexHull(np.stack([x, y], axis=1)).vertices)
    line = np.interp(x, x[rows], y[rows])
    assert (y >= line - 1e-12).all()
    assert set(rows.tolist()) <= around
    assert rows[0] == 0
    assert rows[-1] == 199


def test_the_hull_of_the_envelope_gives_the_exponent_too(simulated_sweep):
    from analysis.frontier.approaches import three_approaches

    found = three_approaches(load_runs(simulated_sweep), resamples=40)
    hull = found.variants["1 hull"]
    assert len(hull.points) < len(found.approaches["1"].points)
    assert hull.a.value == pytest.approx(0.35 / 0.73, abs=0.08)
    assert "another estimand" in hull.warnings[0]
