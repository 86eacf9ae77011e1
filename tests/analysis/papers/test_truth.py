"""The score on tokens of known entropy, from runs of a law that is known."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.laws.chinchilla import chinchilla
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.page import write_page
from analysis.papers.truth import tables, truth
from analysis.papers.truth.evidence import TruthEvidence, right_form
from analysis.papers.truth.simulated import LEARNERS, scores, simulate
from analysis.papers.truth.tables import forecasts, kept, law_rows, offsets
from analysis.runs.selection import Runs

E, ALPHA, BETA = 1.2, 0.5, 0.6
BUDGETS = (6.25e9, 1.25e10, 2.5e10, 5e10, 5e11)


@pytest.fixture(scope="module")
def evidence():
    """Five budgets of five sizes and two seeds of Chinchilla's law, with .2 % of noise."""
    rng = np.random.default_rng(1)
    points = [(C, n, s) for C in BUDGETS for n in np.sqrt(C / 120) * 2.5 ** np.linspace(-1, 1, 5) for s in (0, 1)]
    C, N, seed = np.array(points).T
    D = C / 6 / N
    loss = (E + (N / 5e3) ** -ALPHA + (D / 1e5) ** -BETA) * np.exp(0.002 * rng.standard_normal(len(N)))
    frame = pd.DataFrame({"N": N, "D": D, "C": C, "L": loss, "seed": seed, "entropy_nats": E})
    return TruthEvidence(Runs(frame), E, "walk")


@pytest.fixture
def fewer(monkeypatch):
    monkeypatch.setattr("analysis.papers.truth.evidence.RESAMPLES", 20)
    monkeypatch.setattr("analysis.papers.truth.evidence.LOSSES", ("log_huber", "log_squares"))
    monkeypatch.setattr("analysis.papers.truth.evidence.FORMS", (chinchilla,))


def test_e_of_the_true_law_lies_inside_and_the_others_are_said(evidence, fewer):
    shown = offsets(evidence).set_index(["law", "objective"])
    assert len(shown) == 2
    assert set(shown["true E"]) == {"1.2000"}
    right = shown.loc["chinchilla", "log_squares"]
    assert right["inside"] == "yes"
    assert abs(float(right["bias of E"])) < 0.1
    assert right["bias of a"][0] in "+-"
    assert evidence.span == pytest.approx((evidence.cells["L"].max() - E) / (evidence.cells["L"].min() - E))
    assert "with E known its residuals are" in right_form(evidence.fits)


def test_ten_times_the_compute_is_forecast_from_the_budgets_up_to_a_tenth(evidence):
    shown = forecasts(evidence).set_index("forecaster")
    assert list(shown.index) == ["chinchilla", "tied", "skaling", "mixture"]
    assert shown.loc["chinchilla", "cells inside"].endswith("of 5")
    assert float(shown.loc["chinchilla", "error"].rstrip("%")) < 2
    few = TruthEvidence(Runs(evidence.runs.frame.query("C > 2e10")), E, "walk")
    with pytest.raises(LackingRunsError, match=r"needs 3 budgets up to a tenth of it: there are 2"):
        _ = few.forecasts


def test_the_figure_says_whether_it_spans_a_decade(evidence):
    figure = truth.figures_named(["1"])[0]
    table = figure.table(evidence)
    assert "nats, a factor of" in figure.found(table)
    assert "less than a decade" in figure.found(table.assign(y=np.linspace(1, 9, len(table))))
    assert "a decade or more" in figure.found(table.assign(y=np.linspace(1, 10, len(table))))
    assert drawn(figure, table).axes


def test_figures_and_tables_take_runs_of_their_own_source_alone(evidence):
    wrong = [truth.figures_named(["2"])[0], *(table for table in truth.tables if table.name in ("2a", "2b"))]
    for each in wrong:
        with pytest.raises(LackingRunsError, match=r"they are on random walks on a graph; it needs .* truth/back-off"):
            each.table(evidence)


def test_every_learner_has_the_exponents_that_it_is_said_to_have():
    """Far above and far below the fitted budgets one term is left, whose slope is the exponent."""
    for name in ("chinchilla", "tied", "skaling"):
        cells, truths = simulate(name, 3, np.random.default_rng(0))
        assert cells.log_loss_Kn.shape == (3, 25)
        assert set(truths) == {"E", "alpha", "beta", "a"}
        d = np.array([40.0, 41.0])
        curves = tables_curves(truths)
        of_d = LEARNERS[name](curves, np.array([[60.0, 60.0]]), d[None])
        np.testing.assert_allclose(np.log(of_d[:, 0] / of_d[:, 1]), truths["beta"], atol=0.1)


def tables_curves(truths):
    from analysis.papers.truth.simulated import Curves

    columns = {name: value[:, None] for name, value in truths.items()}
    return Curves(columns["E"], np.ones_like(columns["E"]), columns["alpha"], columns["beta"])


def test_simulated_sweeps_are_scored_and_kept(monkeypatch, tmp_path):
    whole = json.loads(tables.SIMULATED.read_text())
    assert whole["sweeps"] == 2000
    assert {row["learner"] for row in whole["rows"]} == set(LEARNERS)
    monkeypatch.setattr("analysis.papers.truth.simulated.LEARNERS", {"chinchilla": LEARNERS["chinchilla"]})
    monkeypatch.setattr("analysis.papers.truth.simulated.DRAWS", 20)
    found = scores(3)
    assert list(found["law"]) == ["chinchilla", "tied", "skaling", "mixture"]
    right = found.iloc[0]
    assert abs(right["E bias"]) < 0.2
    assert right["forecast error"] < 0.03
    monkeypatch.setattr(tables, "SIMULATED", tmp_path / "kept.json")
    with pytest.raises(LackingRunsError, match="bench truth --out"):
        tables.simulated(None)
    (tmp_path / "kept.json").write_text(kept(found, 3))
    assert json.loads((tmp_path / "kept.json").read_text())["sweeps"] == 3
    shown = tables.simulated(None)
    assert list(shown["law"]) == list(found["law"])
    assert shown.iloc[-1]["E held (bias)"] == "–"


def test_the_page_says_what_is_not_trained(tmp_path):
    page = write_page(truth, truth.figures, {}.get, tmp_path)
    document = json.loads((tmp_path / "page.json").read_text())
    assert "sweep run truth/walk" in document["figures"][0]["reason"]
    assert page.exists()


def test_runs_on_text_are_refused(evidence, fewer):
    def of_text(_):
        raise LackingRunsError("the entropy of their tokens is not known")

    rows = law_rows(of_text)
    assert [row.ours for row in rows] == ["–", "–"]
    assert "not measured" in rows[0].comparable
    mine = law_rows(lambda _: evidence)[0]
    assert mine.published == "1.2000 exactly"
    assert "L - E spans a factor of" in mine.comparable
