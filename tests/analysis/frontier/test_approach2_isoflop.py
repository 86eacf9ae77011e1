import numpy as np
import pandas as pd
import pytest

from analysis.frontier.approach2_isoflop import parabolas, slices, vertex_of
from analysis.runs.replicates import design_cells


def cells_of(losses, log_n, budget=1e12):
    n = np.exp(np.asarray(log_n, float))
    return design_cells(pd.DataFrame({"N": n, "D": budget / (6 * n), "C": budget, "L": losses}))


LOG_N = np.linspace(9, 13, 7)


def test_vertex_of_an_exact_parabola():
    piece = slices(cells_of(2.0 + 0.1 * (LOG_N - 10.7) ** 2, LOG_N))[0]
    assert piece.problem is None
    assert np.log(piece.n_opt) == pytest.approx(10.7)
    assert piece.loss == pytest.approx(2.0)
    assert piece.n_opt * piece.d_opt * 6 == pytest.approx(1e12)
    assert piece.curve(np.exp(LOG_N))[0] == pytest.approx(2.0 + 0.1 * 1.7**2)


@pytest.mark.parametrize(
    ("losses", "log_n", "reason"),
    [
        (3.0 - 0.1 * LOG_N, LOG_N, "no minimum"),
        (3.0 - 0.1 * (LOG_N - 11) ** 2, LOG_N, "no minimum"),
        (2.0 + 0.1 * (LOG_N - 15) ** 2, LOG_N, "above the largest size"),
        (2.0 + 0.1 * (LOG_N - 8) ** 2, LOG_N, "below the smallest size"),
        (2.0 + 0.1 * (LOG_N[:3] - 10) ** 2, LOG_N[:3], "3 sizes"),
    ],
)
def test_minima_that_cannot_be_used_are_named(losses, log_n, reason):
    problem = slices(cells_of(losses, log_n))[0].problem
    assert reason in problem


def test_many_parabolas_agree_with_polyfit_one_by_one():
    y = np.random.default_rng(0).normal(size=(5, 7))
    expected = [np.polyfit(LOG_N - LOG_N.mean(), row, 2)[::-1] for row in y]
    np.testing.assert_allclose(parabolas(LOG_N, y), expected, atol=1e-10)


def test_vertices_outside_the_grid_are_held_at_its_edge():
    place, _ = vertex_of(LOG_N, np.stack([(LOG_N - 20) ** 2, -((LOG_N - 10) ** 2)]))
    np.testing.assert_allclose(place, [13.0, 13.0])


@pytest.mark.parametrize(("span", "bias"), [(2.0, 0.0033), (4.0, 0.0132), (8.0, 0.0299), (16.0, 0.0537)])
def test_parabola_bias_is_that_of_czech(span, bias):
    alpha, beta = 0.34, 0.28
    w = np.linspace(-np.log(span), np.log(span), 15)
    loss = beta * np.exp(-alpha * w) + alpha * np.exp(beta * w)
    place, _ = vertex_of(w, loss[None])
    assert np.exp(place[0]) - 1 == pytest.approx(bias, abs=3e-4)
