"""A table whose C is not 6 N D: D = C / (6 N + 900 N^.75), from the fit to the saved forecast."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from analysis.comparing.compare import compare
from analysis.fitting.fit import fit
from analysis.fitting.saved_fit import describe, load_fit
from analysis.forecasting.forecast import forecast
from analysis.forecasting.source import from_fit
from analysis.frontier.approaches import three_approaches
from analysis.frontier.verdict import verdict
from analysis.laws.chinchilla import chinchilla
from analysis.runs.selection import Runs

LAW = {"E": 1.9, "A": 420.0, "B": 1900.0, "alpha": 0.345, "beta": 0.36}


@pytest.fixture(scope="module")
def runs():
    """Six budgets of seven sizes about the best, by the formula of the given table."""
    rows = []
    for C in 1e17 * 1000.0 ** (np.arange(6) / 5):
        best = 1.5e7 * (C / 1e17) ** 0.538
        rows += [(n, C / (6 * n + 900 * n**0.75), C) for n in best * 4.0 ** np.linspace(-1, 1, 7)]
    frame = pd.DataFrame(rows, columns=["N", "D", "C"])
    return Runs(frame.assign(L=chinchilla.predict(LAW, N=frame.N, D=frame.D)))


@pytest.fixture(scope="module")
def result(runs):
    return describe(fit("chinchilla", runs, resamples=20), runs, {})


def test_all_approaches_take_the_cost_and_agree(runs):
    found = three_approaches(runs, resamples=20)
    for each in (*(found.approaches[name] for name in "23"), found.variants["2 corrected"]):
        assert each.a.value == pytest.approx(0.5387, abs=3e-3)
        assert each.b.value == pytest.approx(0.5422, abs=3e-3)
    assert verdict(found).agree is True
    assert "parabola" not in verdict(found).sentence
    assert any("6 N D (1 + 150 N^-0.25)" in sentence for sentence in found.approaches["3"].warnings)


def test_fit_and_forecast_take_the_cost_also_after_saving(result, tmp_path):
    assert result.derived["a"].value == pytest.approx(0.5387, abs=3e-3)
    assert result.derived["b"].value == pytest.approx(0.5422, abs=3e-3)
    result.save(tmp_path / "fit.json")
    found = forecast(from_fit(load_fit(tmp_path / "fit.json")), train_flops=1e21)
    assert found.quantities["n_params"].value == pytest.approx(2.085e9, rel=1e-3)
    assert found.quantities["n_tokens"].value == pytest.approx(4.70e10, rel=1e-3)
    assert found.quantities["loss_nats"].value == pytest.approx(2.4294, abs=1e-4)


def test_other_questions_are_answered_at_the_same_cost(result):
    source = from_fit(result)
    shape = forecast(source, n_params=1e9, n_tokens=1e10)
    assert shape.quantities["train_flops"].value == pytest.approx(1e10 * (6e9 + 900 * 1e9**0.75), rel=1e-6)
    back = forecast(source, loss=forecast(source, train_flops=1e21).quantities["loss_nats"].value)
    assert back.quantities["train_flops"].value == pytest.approx(1e21, rel=1e-6)
    twice = forecast(source, train_flops=1e21).wrong_sizes[2]
    assert twice.n_tokens == pytest.approx(1e21 / (6 * twice.n_params + 900 * twice.n_params**0.75), rel=1e-6)
    cheaper = forecast(source, train_flops=1e21 * (1 - twice.wasted_compute.value)).quantities["loss_nats"].value
    best = forecast(source, train_flops=1e21).quantities["loss_nats"].value
    assert cheaper == pytest.approx(best + twice.extra_loss_nats.value, rel=1e-6)


def test_comparison_with_a_cost_of_6nd_is_warned_of(result, runs):
    mine = from_fit(result, "mine")
    other = runs.frame.assign(C=6 * runs.frame.N * runs.frame.D)
    theirs = from_fit(describe(fit("chinchilla", other, resamples=20), Runs(other), {}), "theirs")
    found = compare([mine, theirs])
    assert any("differ in compute (6 N D (1 + 150 N^-0.25) against 6ND)" in sentence for sentence in found.warnings)
    assert {d.quantity: d.estimate.value for d in found.differences}["a"] == pytest.approx(0.0280, abs=1e-3)


def test_a_fit_saved_before_there_was_a_cost_says_that_6nd_is_taken(result):
    conventions = {**result.settings["conventions"], "compute": "as given, not 6ND"}
    old = dataclasses.replace(
        result, cost=type(result.cost)(), settings={**result.settings, "conventions": conventions}
    )
    assert any("fit again to have their own cost" in note for note in from_fit(old).notes)
