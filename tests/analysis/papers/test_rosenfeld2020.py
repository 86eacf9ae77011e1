"""The envelope against the joint form on runs drawn from the envelope, and on Hoffmann's points."""

import numpy as np
import pandas as pd
import pytest

from analysis.laws.rosenfeld import rosenfeld
from analysis.papers import rosenfeld2020 as page
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.rosenfeld2020 import ENVELOPE, POWERS, SHOWN, Evidence, rosenfeld2020
from analysis.runs.public_tables import ENVIRONMENT
from analysis.runs.replicates import design_cells
from scaling_harness.errors import UserError


def figure(name):
    return rosenfeld2020.figures_named([name])[0]


@pytest.fixture(scope="module")
def evidence():
    N, D = (each.ravel() for each in np.meshgrid(np.geomspace(1e3, 1e6, 6), np.geomspace(1e5, 1e8, 6)))
    noise = np.exp(0.003 * np.random.default_rng(0).standard_normal(36))
    loss = rosenfeld.predict(SHOWN, N=N, D=D) * noise
    return Evidence(design_cells(pd.DataFrame({"N": N, "D": D, "C": 6 * N * D, "L": loss})), SHOWN["L_0"], "byte")


@pytest.fixture
def few_thresholds(monkeypatch):
    monkeypatch.setattr(page, "SHARES", (0.6, 0.8))


def test_beyond_the_thresholds_the_envelope_misses_less(evidence, few_thresholds):
    table = figure("threshold").table(evidence)
    size = table.loc[table["panel"] == "size"].set_index(["series", "x"])["y"]
    assert size[ENVELOPE, 0.8] < 0.5 < size[POWERS, 0.8]
    found = figure("threshold").found(table)
    assert "the envelope is the better at 2 of 2 thresholds" in found
    assert set(table["panel"]) == {"error", "size", "scatter"}
    drawn(figure("threshold"), table)


def test_exponents_of_runs_under_the_envelope_are_recovered(evidence, monkeypatch):
    monkeypatch.setattr(page, "RESAMPLES", 40)
    found = Evidence(evidence.cells, evidence.guess, "byte").fitted
    for name in ("alpha", "beta"):
        assert found.params[name].value == pytest.approx(SHOWN[name], abs=3 * found.params[name].stderr)


def test_left_out_runs_tell_the_two_laws_apart(evidence):
    table = rosenfeld2020.tables[0].table(evidence).set_index("law")
    powers, under = (float(table.loc[law, "each left out, rms"].rstrip("%")) for law in (POWERS, ENVELOPE))
    assert under < 0.5 < powers


def test_the_closed_form_is_drawn_and_says_what_it_lifts():
    table = figure("envelope").table(None)
    drawn(figure("envelope"), table)
    assert "the joint form lies 5%, 15%, 67% above the envelope" in figure("envelope").found(table)


def test_runs_that_feed_nothing_are_told_why(tmp_path):
    with pytest.raises(LackingRunsError, match="no runs are given"):
        figure("threshold").table(None)
    with pytest.raises(UserError, match="2 sweeps are given"):
        rosenfeld2020.read(["one", "two"])
    path = tmp_path / "t.csv"
    pd.DataFrame({"N": [1e4, 2e4], "D": [1e6, 1e6], "loss": [2.0, 1.9]}).to_csv(path, index=False)
    with pytest.raises(LackingRunsError, match=r"ln\(vocabulary\), which these runs do not say"):
        rosenfeld2020.read([path])


def test_hoffmanns_points_are_predicted_beyond_thresholds(published_dir, monkeypatch, few_thresholds):
    monkeypatch.setenv(ENVIRONMENT, str(published_dir.parent))
    table = figure("threshold-public").table(None)
    assert table.loc[table["panel"] == "size", "y"].between(0.3, 3).all()
