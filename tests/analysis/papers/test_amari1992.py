import numpy as np
import pandas as pd
import pytest

from analysis.papers.amari1992 import Evidence, amari1992
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from scaling_harness.errors import UserError


def figure(name):
    return amari1992.figures_named([name])[0]


def test_the_integrals_end_in_the_slopes_of_the_types():
    found = figure("types").found(figure("types").table(None))
    for said in ("type 1 1.00", "type 2 1.98", "type 3 0.50", "type 4 1.00"):
        assert said in found
    assert "idealised" in found


@pytest.fixture(scope="module")
def evidence():
    """Two sizes of type 4 but with p = .5, and one of too few lengths."""
    rng = np.random.default_rng(0)
    sizes = [(n, d) for n in (1e4, 4e4) for d in np.geomspace(1e5, 1e7, 9)] + [(9e4, 1e5), (9e4, 1e6)]
    frame = pd.DataFrame(sizes, columns=["N", "D"])
    loss = 1 + 50 * frame["N"] ** -0.5 + 100 * frame["D"] ** -0.5
    return Evidence(frame.assign(L=loss * (1 + 0.001 * rng.standard_normal(len(frame)))), "byte")


def test_curves_of_enough_lengths_are_fitted_and_told(evidence):
    assert list(evidence.findings) == [1e4, 4e4]
    assert all(found.nearest.number == 3 for _, found in evidence.findings.values())
    assert not any(found.of_type for _, found in evidence.findings.values())
    table = figure("curves").table(evidence)
    drawn(figure("curves"), table)
    assert "The intervals of 2 of 2 sizes hold an exponent of a type; 2 of the curves have a floor" in figure(
        "curves"
    ).found(table)


def test_runs_without_a_learning_curve_are_told_so(evidence):
    short = Evidence(evidence.cells.loc[evidence.cells["N"] > 5e4], "byte")
    with pytest.raises(LackingRunsError, match="no size was trained to 5 lengths"):
        figure("curves").table(short)
    with pytest.raises(UserError, match="2 sweeps are given"):
        amari1992.read(["one", "two"])
