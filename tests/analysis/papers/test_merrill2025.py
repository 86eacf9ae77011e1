"""Local critical batches from runs of a known B_crit(L), whose local batch has a closed form."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.laws.critical_batch import steps_of_batch
from analysis.papers.draw import drawn
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.merrill2025 import LOCAL, increments, local_batches, merrill2025, steps_saved
from tests.analysis.kaplan_truth import BATCHES


def test_steps_between_losses_are_differences_of_the_hyperbolas():
    first, second = {"S_min": 100.0, "E_min": 1e5}, {"S_min": 300.0, "E_min": 9e5}
    batch = np.array(BATCHES, float)
    parts = [
        pd.DataFrame({"N": 1e4, "L": loss, "B": batch, "S": steps_of_batch.predict(params, B=batch), "problem": None})
        for loss, params in ((2.0, first), (1.5, second))
    ]
    steps = pd.concat(parts, ignore_index=True).assign(n_rates=1, lr=0.01, n_seeds=1)
    steps["E"] = steps["S"] * steps["B"]
    steps.loc[0, "problem"] = "not reached"
    found = increments(steps)
    assert found["L"].tolist() == [1.5] * len(batch)
    assert found["S"].to_numpy() == pytest.approx(200 + 8e5 / batch)
    assert found["E"].to_numpy() == pytest.approx(200 * batch + 8e5)
    assert found["problem"].tolist() == ["not reached"] + [None] * (len(batch) - 1)


def test_the_local_batch_is_above_that_of_the_whole_run_and_grows(complete):
    """It is d E_min / d S_min, and B_crit of a run is E_min / S_min from its start."""
    local = local_batches(complete).table().dropna(subset=["B_crit"])
    whole = complete.critical.table().set_index(["N", "L"])["B_crit"]
    for n_params, of_size in local.groupby("N"):
        assert (np.diff(of_size["B_crit"]) > 0).all()
        assert (of_size["B_crit"].to_numpy() > whole.loc[n_params].reindex(of_size["L"]).to_numpy()).all()


@pytest.fixture(scope="module")
def with_branches(complete):
    """The same with branches of two sizes and points: those of up to 512 and 2,048 tokens lose nothing."""
    rows = [
        {
            "N": N,
            "batch_tokens": B,
            "seed": s,
            "L": 2.0 + 0.05 * (limit < B),
            "schedule": START % start,
            "vocab_size": 256,
        }
        for N in (3e3, 1e4)
        for start, limit in ((65536, 512), (262144, 2048))
        for B in (128, 512, 2048)
        for s in (0, 1)
    ]
    return replace(complete, branches=pd.DataFrame(rows))


START = '{"kind": "branched", "start_tokens": %d}'


@pytest.mark.parametrize("each", merrill2025.figures, ids=lambda f: f.name)
def test_a_figure_is_drawn_and_says_what_it_found(with_branches, each):
    table = each.table(with_branches)
    drawn(each, table)
    said = each.found(table)
    assert said.endswith(".")
    if each.name == "1":
        assert "noise scale was not measured" in said
        assert LOCAL in set(table["series"])
    if each.name == "branched":
        assert "N 3k: 512 to 2,048 at 65.5k; 2,048, the largest tried, at 262k" in said


def test_figure_10_of_kaplan_shows_all_estimates_that_there_are(complete, with_branches):
    figure = kaplan2020.figures_named(["10"])[0]
    assert "branched training is not drawn: it needs the sweep merrill/branches" in figure.found(figure.table(complete))
    table = figure.table(with_branches)
    assert "branched training gives" in figure.found(table)
    assert table.loc[table["series"].str.startswith("branched"), "high"].tolist() == [2048.0] * 4


def test_a_batch_of_twice_the_first_saves_half_of_the_steps():
    tokens = np.linspace(1e5, 2e5, 100)
    assert steps_saved(tokens, np.full(100, 256.0)) == pytest.approx(0)
    assert steps_saved(tokens, np.where(np.arange(100) > 0, 512.0, 256.0)) == pytest.approx(0.5, abs=0.01)


def test_the_last_branched_batch_stands_beside_the_papers(complete, with_branches):
    laws = merrill2025.laws(lambda _: complete)
    assert "N = 3k" in laws[0].ours
    assert laws[1].ours == "no branches"
    assert merrill2025.laws(lambda _: with_branches)[1].ours == "N = 3k: 2,048 or more; N = 10k: 2,048 or more"
