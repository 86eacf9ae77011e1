"""Figures of runs that differ in a setting (5, 6, 22, 24), from runs of known truth."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.kaplan2020.schedules import schedule_words
from analysis.runs.selection import Runs

NOISE = 0.003
SCHEDULES = [
    {"kind": "constant", "warmup": {"unit": "fraction", "amount": 0.05}, "fall_exponent": 0.0},
    {"kind": "cosine", "warmup": {"unit": "fraction", "amount": 0.05}, "final_fraction": 0.1},
    {"kind": "wsd", "warmup": {"unit": "fraction", "amount": 0.0}, "cooldown_fraction": 0.2, "shape": "linear"},
]


def figure(name):
    return kaplan2020.figures_named([name])[0]


def evidence_of(rows):
    """Evidence of runs given as columns, each at two seeds with noise."""
    random = np.random.default_rng(0)
    given = [row | {"seed": seed, "L": row["L"] * np.exp(NOISE * random.normal())} for row in rows for seed in (0, 1)]
    return Evidence(Runs(pd.DataFrame(given).assign(source=0, vocab_size=256), count="non_embedding"), {})


def shape(n_layer, d_model, d_ff_ratio, n_head, loss):
    n = n_layer * d_model**2 * (4 + 2 * d_ff_ratio)
    return {
        "n_layer": n_layer,
        "d_model": d_model,
        "d_ff_ratio": d_ff_ratio,
        "n_head": n_head,
        "N": n,
        "D": 6e5,
        "L": loss,
        "loss_nats_test": loss,
        "loss_nats_code": 3 * loss,
    }


@pytest.fixture(scope="module")
def of_shapes():
    """The loss rises by .5 % times the square of log2 of the aspect over 8; width and heads do nothing."""
    deep = [(1, 64, 4.0), (2, 48, 10 / 3), (4, 32, 4.0), (8, 24, 10 / 3), (16, 16, 4.0)]
    aspects = [shape(*s, 2, 1.6 * (1 + 0.005 * np.log2(s[1] / s[0] / 8) ** 2)) for s in deep]
    wide = [shape(2, 64, 1.0, 2, aspects[1]["L"]), shape(2, 24, 58 / 3, 2, aspects[1]["L"])]
    heads = [shape(2, 48, 10 / 3, n, aspects[1]["L"]) for n in (1, 6)]
    return evidence_of([*aspects, *wide, *heads])


def test_figure_5_has_the_valley_of_each_setting(of_shapes):
    table = figure("5").table(of_shapes)
    aspect = table.loc[table["panel"] == "aspect"].set_index("x")["y"]
    assert list(aspect.index) == [64, 24, 8, 3, 1]
    assert aspect[64] - aspect[8] == pytest.approx(4.5, abs=1)
    assert set(table.loc[table["panel"] == "head size", "x"]) == {48, 24, 8}
    assert table.loc[table["panel"] == "MLP width", "y"].max() < 1.5
    said = figure("5").found(table)
    assert "aspect from 1 to 64: within 2 % of the best from 3 to 24" in said
    assert "% above it (at 64)" in said


def test_figure_24_says_what_depth_does_on_another_text(of_shapes):
    table = figure("24").table(of_shapes)
    assert list(table.loc[table["series"] == "code", "x"]) == [1, 2, 4, 8, 16]
    assert "ratio to the own text moves by" in figure("24").found(table)
    alone = Evidence(Runs(of_shapes.runs.frame.drop(columns="loss_nats_code"), count="non_embedding"), {})
    with pytest.raises(LackingRunsError, match=r"on another text \(evaluation.extra_sets\); it needs .* kaplan/shape"):
        figure("24").table(alone)


def test_runs_of_one_shape_or_of_several_sizes_are_no_comparison(of_shapes):
    frame = of_shapes.runs.frame
    with pytest.raises(LackingRunsError, match="shapes are compared at one N: 1 of 3"):
        figure("5").table(Evidence(Runs(frame.iloc[:2], count="non_embedding"), {}))
    with pytest.raises(LackingRunsError, match="the runs do not say their d_ff_ratio"):
        figure("5").table(Evidence(Runs(frame.drop(columns="d_ff_ratio"), count="non_embedding"), {}))


def test_figure_6_tells_which_n_the_losses_follow():
    rows = []
    for n_layer in (1, 2, 3, 6):
        for d_model in (16, 24, 32):
            n = 12 * n_layer * d_model**2
            counts = {"n_params_non_embedding": n, "n_params_total": n + 4096 * d_model}
            loss = 5 * n**-0.1 * (1.1 if n_layer == 1 else 1)
            rows.append({"n_layer": n_layer, "d_model": d_model, "N": n, "D": 6e5, "L": loss} | counts)
    table = figure("6").table(evidence_of(rows))
    rms = {
        panel: float(words.rsplit(" ", 1)[1].rstrip("%"))
        for panel, words in table.loc[table["kind"] == "fit", ["panel", "series"]].drop_duplicates().to_numpy()
    }
    assert rms["without embeddings"] < 0.5 < 2 < rms["with embeddings"]
    assert "without embeddings the cells lie 0." in figure("6").found(table)
    with pytest.raises(LackingRunsError, match="told apart by 2 depths"):
        figure("6").table(evidence_of([row for row in rows if row["n_layer"] < 3]))


@pytest.fixture(scope="module")
def of_schedules(tmp_path_factory):
    """A constant rate ends 3 % above; below a sum of 2 the loss rises."""
    rows = []
    for i, schedule in enumerate(SCHEDULES):
        for peak in (0.002, 0.004, 0.008):
            step = np.arange(1, 1001)
            rate = peak * (np.ones(1000) if i == 0 else 1 - 0.9 * step / 1000)
            path = tmp_path_factory.mktemp("runs") / "metrics.jsonl"
            path.write_text("".join(f'{{"step": {s}, "lr": {r}}}\n' for s, r in zip(step, rate, strict=True)))
            loss = 1.5 * (1.03 if i == 0 else 1.0) * (1 + 0.05 * max(0, 2 - rate.sum()))
            run = {"N": 24576.0, "D": 3e5, "lr": peak, "L": loss, "curve_path": str(path)}
            rows.append(run | {"schedule": json.dumps(schedule)})
    return evidence_of(rows)


def test_figure_22_sets_losses_against_summed_rates(of_schedules):
    table = figure("22").table(of_schedules)
    points = table.loc[table["panel"] == "loss"]
    assert sorted(points.loc[points["series"] == "constant", "x"]) == pytest.approx([2, 4, 8], rel=0.01)
    said = figure("22").found(table)
    assert "3 schedules, each at its best peak" in said
    assert "constant 3" in said or "constant 2.9" in said
    one = of_schedules.runs.frame.loc[lambda frame: frame["schedule"] == json.dumps(SCHEDULES[0])]
    with pytest.raises(LackingRunsError, match="1 of 3 have the same"):
        figure("22").table(Evidence(Runs(one, count="non_embedding"), {}))


@pytest.mark.parametrize(
    ("i", "words"), list(enumerate(("constant", "cosine to 0.1", "constant, linear over the last 20%, no warm-up")))
)
def test_a_schedule_is_named_by_its_settings(i, words):
    assert schedule_words(json.dumps(SCHEDULES[i])) == words


@pytest.mark.parametrize("name", ["5", "22", "24"])
def test_panels_are_drawn_with_every_series_in_the_legend(name, of_shapes, of_schedules):
    table = figure(name).table(of_schedules if name == "22" else of_shapes)
    panels = [ax for ax in drawn(figure(name), table).axes if ax.get_xlabel()]
    assert len(panels) == table["panel"].nunique()
    assert {text.get_text() for ax in panels for text in ax.get_legend().get_texts()} == set(table["series"])
