import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis import figures
from analysis.fitting.estimate import Estimate
from analysis.forecasting.source import from_fit, open_source


@pytest.fixture
def ax():
    return Figure().subplots()


def test_each_source_has_its_row(ax):
    sources = [open_source("published:besiroglu2024"), open_source("published:kaplan2020")]
    known = dataclasses.replace(sources[0], exponents={"a": Estimate(0.5, ci95=(0.4, 0.6))})
    figures.exponents(ax, [known, dataclasses.replace(sources[1], exponents={})])
    assert [label.get_text() for label in ax.get_yticklabels()] == [source.name for source in sources]
    interval, point = ax.lines
    assert interval.get_xdata().tolist() == [0.4, 0.6]
    assert point.get_xdata().tolist() == [0.5]
    assert ax.get_xlabel() == "a, 95 % interval"


def test_lowest_losses_are_those_of_the_optimum_over_its_own_compute(simulated_analysis, ax):
    source = from_fit(simulated_analysis.third.fit, "mine")
    figures.lowest_losses(ax, [source, open_source("published:kaplan2020")])
    (line,) = ax.lines
    C, losses = line.get_data()
    assert (C[0], C[-1]) == pytest.approx(source.input_ranges["C"])
    np.testing.assert_allclose(losses, simulated_analysis.third.fit.optimal(C).loss_nats)
