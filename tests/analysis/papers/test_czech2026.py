"""Approach 2's noise-free errors as printed, where they go, and that the law has none."""

import numpy as np
import pytest

from analysis.frontier.approach2_bias import parabola_shift
from analysis.papers import czech2026 as paper
from analysis.papers.czech2026 import PRINTED, SURFACES, cures, czech2026, drift, grid, parabola_exponent, true_exponent
from analysis.papers.draw import drawn


@pytest.mark.parametrize(
    ("surface", "errors"),
    [("Chinchilla", (0.33, 1.32, 2.99, 5.37)), ("asymmetric", (1.7, 6.9, 16.2, 30.1)), ("symmetric", (0, 0, 0, 0))],
)
def test_errors_of_the_best_size(surface, errors):
    params = SURFACES[surface]
    shift = [parabola_shift(params["alpha"], params["beta"], reach) for reach in (2, 4, 8, 16)]
    assert 100 * np.expm1(shift) == pytest.approx(errors, abs=0.06)


def test_errors_of_the_tokens_are_the_printed_ones():
    for (surface, reach), printed in PRINTED.items():
        params = SURFACES[surface]
        error = -100 * np.expm1(-parabola_shift(params["alpha"], params["beta"], reach))
        digits = len(printed.partition(".")[2])
        assert round(error, digits) == float(printed)


def test_the_closed_form_is_the_parabola_through_runs():
    runs = grid("asymmetric", 8.0, 2.0)
    one = runs.iloc[:15]
    curve = np.polyfit(np.log(one["N"]), one["L"], 2)
    vertex = -curve[1] / (2 * curve[0])
    best = np.exp(np.log(one["N"]).mean()) / 2.0
    assert vertex - np.log(best) == pytest.approx(parabola_shift(0.465, 0.155, 8.0, off_centre=2.0), abs=1e-6)


def test_a_drifting_centre_moves_the_exponent_and_a_constant_one_does_not():
    true = true_exponent("Chinchilla")
    assert parabola_exponent(grid("Chinchilla", 8.0))[0] == pytest.approx(true, abs=1e-9)
    assert parabola_exponent(grid("Chinchilla", 8.0, 3.0))[0] == pytest.approx(true, abs=1e-9)
    assert parabola_exponent(grid("Chinchilla", 8.0, drift(3.0)))[0] - true == pytest.approx(0.0044, abs=1e-4)


def test_variable_projection_has_no_error():
    table = cures()
    assert table["n_projection"].abs().max() < 1e-6
    assert table["a_projection"].abs().max() < 1e-7
    assert table["n_parabola"].max() > 0.25


def test_figures_and_tables(monkeypatch):
    monkeypatch.setattr(paper, "N_DRAWS", 50)
    for figure in czech2026.figures:
        table = figure.table(None)
        assert len([ax for ax in drawn(figure, table).axes if ax.get_xlabel()]) == table["panel"].nunique()
        assert figure.found(table).endswith(".")
    assert len(czech2026.tables[0].table(None)) == 12
    assert len(czech2026.tables[1].table(None)) == 9
