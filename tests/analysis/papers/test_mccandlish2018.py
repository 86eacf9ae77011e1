"""One tradeoff curve of all losses and sizes, from runs of a known critical batch; the noise scale against the rate."""

import numpy as np
import pandas as pd
import pytest

from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.mccandlish2018 import mccandlish2018, rate_exponent, stretches


def figure(name):
    return mccandlish2018.figures_named([name])[0]


def test_all_losses_and_sizes_lie_on_one_curve(complete):
    table = figure("1").table(complete)
    points = table.loc[table["kind"] == "points"]
    assert points["n_params"].nunique() == 2
    assert (1 / points["x"] + 1 / points["y"]).to_numpy() == pytest.approx(np.ones(len(points)), abs=0.03)
    assert "cells of 2 sizes lie" in figure("1").found(table)
    drawn(figure("1"), table)


def test_a_batch_that_follows_the_noise_scale_is_inside_the_fixed_one(complete):
    table = figure("adaptive").table(complete)
    ours = table.loc[table["kind"] == "fit"]
    assert (ours["y"] < 1 + 1 / (ours["x"] - 1)).all()
    assert figure("adaptive").found(table).startswith("Predicted, not trained: N = 3k: ")
    parted = stretches(complete, 1e5)
    assert (np.diff(parted["noise"]) > 0).all()


def test_the_exponent_of_the_rate_is_told_from_the_loss_and_the_batch():
    rng = np.random.default_rng(0)
    points = pd.DataFrame(
        {
            name: rng.choice(values, 60)
            for name, values in {"N": (1e3, 1e4), "B": (128, 2048), "lr": (1e-3, 8e-3)}.items()
        }
    )
    points["L"] = rng.uniform(1.5, 2.5, 60)
    noise = points["N"] ** 0.3 * points["B"] ** 0.2 / points["lr"] * points["L"] ** -5
    slope, _ = rate_exponent(points.assign(noise=noise * np.exp(0.05 * rng.standard_normal(60))))
    assert slope.value == pytest.approx(-1, abs=0.03)
    assert slope.ci95[0] < -1 < slope.ci95[1]
    with pytest.raises(LackingRunsError, match="too few"):
        rate_exponent(points.assign(noise=noise).iloc[:4])


def test_without_measurements_of_the_noise_scale_that_is_said(complete):
    for name in ("noise", "temperature"):
        with pytest.raises(LackingRunsError, match="sweep run kaplan/critical-batch"):
            figure(name).table(complete)
    assert mccandlish2018.laws(lambda _: complete)[0].ours.startswith("not measured: ")
