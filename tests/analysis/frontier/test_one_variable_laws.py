import numpy as np
import pandas as pd
import pytest

from analysis.frontier.one_variable_laws import across_sizes, one_variable_laws
from analysis.runs.replicates import design_cells
from analysis.to_json import to_json


def grid(loss, sizes, tokens):
    rows = [{"N": n, "D": d, "C": 6 * n * d, "L": loss(n, d)} for n in sizes for d in tokens]
    return design_cells(pd.DataFrame(rows))


SIZES, TOKENS = np.geomspace(1e4, 1e6, 6), np.geomspace(1e6, 1e8, 5)
FRONTIER = pd.DataFrame({"C": np.geomspace(1e11, 1e13, 5), "loss": 50 * np.geomspace(1e11, 1e13, 5) ** -0.1})


def test_exponents_of_exact_power_laws():
    cells = grid(lambda n, d: 9 * n**-0.08 * d**-0.05, SIZES, TOKENS)
    laws = one_variable_laws(cells, FRONTIER, resamples=20)
    for name, alpha in {"alpha_N": 0.08, "alpha_D": 0.05, "alpha_C": 0.1}.items():
        assert laws[name].plain.params["alpha"].value == pytest.approx(alpha, rel=1e-5)
    assert laws["alpha_N"].held_fixed == "D = 1e+08 tokens"
    assert laws["alpha_D"].held_fixed == "N = 1e+06 parameters"


def test_offset_is_found_where_there_is_one():
    cells = grid(lambda n, d: 1.5 + 20 * n**-0.3 + 0 * d, SIZES, TOKENS)
    laws = one_variable_laws(cells, FRONTIER, resamples=20)
    assert laws["alpha_D"].plain is None
    assert "all runs have the same loss" in laws["alpha_D"].held_fixed
    offset = laws["alpha_N"].offset
    assert offset.params["E"].value == pytest.approx(1.5, rel=1e-4)
    assert offset.params["alpha"].value == pytest.approx(0.3, rel=1e-4)


def test_sizes_of_an_isoflop_grid_are_compared_at_interpolated_tokens():
    rows = [
        {"N": n, "D": c / (6 * n), "C": c, "L": 9 * n**-0.08 * (c / (6 * n)) ** -0.05}
        for c in np.geomspace(1e11, 1e13, 5)
        for n in SIZES
    ]
    points, words = across_sizes(design_cells(pd.DataFrame(rows)))
    assert "interpolated between finished runs" in words
    slope = np.polyfit(np.log(points.N), np.log(points.L), 1)[0]
    assert slope == pytest.approx(-0.08, abs=2e-3)
    assert len(points) >= 4


def test_too_few_points_give_no_exponent_and_say_so():
    cells = grid(lambda n, d: 9 * n**-0.08 * d**-0.05, SIZES, TOKENS[:2])
    law = one_variable_laws(cells, FRONTIER.iloc[:2], resamples=20)
    assert law["alpha_D"].plain is None
    assert to_json(law["alpha_D"])["value"] is None
    assert "too few" in law["alpha_D"].held_fixed
    assert law["alpha_C"].plain is None
