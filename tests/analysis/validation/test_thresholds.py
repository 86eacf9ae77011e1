import numpy as np
import pandas as pd
import pytest

from analysis.laws.chinchilla import chinchilla
from analysis.laws.kaplan import kaplan_lc
from analysis.laws.rosenfeld import rosenfeld
from analysis.runs.replicates import design_cells
from analysis.validation.thresholds import below_thresholds
from scaling_harness.errors import HarnessError

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35, "L_0": 5.545}


def grid(law, **params):
    N, D = (each.ravel() for each in np.meshgrid(np.geomspace(1e3, 1e6, 7), np.geomspace(1e5, 1e8, 7)))
    return design_cells(pd.DataFrame({"N": N, "D": D, "C": 6 * N * D, "L": law.predict(params, N=N, D=D)}))


def test_what_is_below_both_thresholds_is_fitted_and_all_else_predicted():
    cells = grid(chinchilla, **{k: v for k, v in TRUTH.items() if k != "L_0"})
    table = below_thresholds(cells, chinchilla, (0.1, 0.5, 0.75, 1.0))
    assert table["n_fit"].tolist() == [1, 16, 25, 49]
    assert table["n_predicted"].tolist() == [48, 33, 24, 0]
    assert table["reason"].iloc[0] == "1 cells lie below it, 7 are needed"
    assert table["reason"].iloc[3] == "no cell lies above it"
    assert table["n_params"].iloc[1] == pytest.approx(10**4.5)
    assert table["n_tokens"].iloc[1] == pytest.approx(10**6.5)
    assert table["reach"].iloc[1] == pytest.approx(1e3)
    np.testing.assert_allclose(table["mean_abs"].iloc[1:3], 0, atol=1e-8)


def test_of_runs_under_an_envelope_the_power_laws_alone_miss_and_the_envelope_does_not():
    """Errors by hand at one threshold too."""
    cells = grid(rosenfeld, **TRUTH)
    powers, enveloped = (below_thresholds(cells, law, (0.67,)) for law in (chinchilla, rosenfeld))
    assert enveloped["mean_abs"].iloc[0] < 1e-4
    assert powers["mean_abs"].iloc[0] > 0.02
    assert powers["sd"].iloc[0] > 0
    assert abs(powers["mean"].iloc[0]) <= powers["mean_abs"].iloc[0]


def test_other_inputs_and_too_few_runs_are_refused():
    cells = grid(rosenfeld, **TRUTH)
    with pytest.raises(HarnessError, match="thresholds are of N and D, which are not the inputs of L"):
        below_thresholds(cells, kaplan_lc)
    with pytest.raises(HarnessError, match=r"no threshold .* leaves runs to fit chinchilla: .* cells lie below"):
        below_thresholds(cells.iloc[::12], chinchilla)
