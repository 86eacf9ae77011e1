"""Figures 7, 17, 20 and 21 from runs of known truth."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.kaplan2020.architectures import binned, near
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.runs.selection import Runs

N_CTX = 512


def figure(name):
    return kaplan2020.figures_named([name])[0]


def a_run(n, target=None, n_layer=2, passes=None, n_ctx=N_CTX, rate=0.004, flat_from=None, power=0.05):
    """Loss c N^-.1 p^-power at position p, flat from one on; the other rate ends 10 % above."""
    position = np.minimum(np.arange(1, n_ctx + 1), flat_from or n_ctx)
    losses = 9 * n**-0.1 * position**-power * (1.1 if rate == 0.008 else 1)
    run = {"N": n, "D": 6e5, "n_layer": n_layer, "target": target, "n_ctx": n_ctx, "lr": rate, "option_passes": passes}
    return run | {"L": losses.mean(), "loss_nats_valid": losses.mean(), "loss_positions_test": losses.tolist()}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    rows = []
    for n in (6e3, 2e4, 6e4, 1e5):
        rows += [a_run(n, rate=rate) for rate in (0.004, 0.008)] + [a_run(n, n_ctx=8)]
        rows += [a_run(n, "lstm", layers, flat_from=60) for layers in (1, 4)]
        rows += [a_run(1.5 * n, "recurrent", 1, passes=2)]
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    path.write_text(
        "".join(
            json.dumps({"step": s, "valid_loss": 2.0, "valid_by_position": [9 * s**-0.1] * N_CTX}) + "\n"
            for s in (1, 10, 100)
        )
    )
    frame = pd.DataFrame(rows).assign(source=0, seed=0, vocab_size=1024, curve_path=str(path))
    return Evidence(Runs(frame, count="non_embedding"), {})


def test_an_lstm_that_stops_improving_is_seen_by_position(evidence):
    table = figure("7").table(evidence)
    assert set(table.loc[table["panel"] == "size", "series"]) == {"transformer", "LSTM, 1 layer", "LSTM, 4 layers"}
    said = figure("7").found(table)
    assert "LSTM, 1 layer, N = 100k -0.0%" in said
    assert "transformer, N = 100k -7" in said
    assert "The best LSTM against the transformer (interpolated): +" in said


def test_the_better_rate_is_taken(evidence):
    table = figure("7").table(evidence)
    own = table.loc[(table["panel"] == "size") & (table["series"] == "transformer")]
    assert own["y"].to_numpy() == pytest.approx([a_run(n)["L"] for n in (6e3, 2e4, 6e4, 1e5)])


def test_recurrent_models_are_compared_by_their_size_and_by_their_work(evidence):
    table = figure("17").table(evidence)
    own, work = (table.loc[(table["panel"] == p) & (table["series"] != "transformer"), "x"] for p in ("size", "work"))
    assert (work.to_numpy() == 2 * own.to_numpy()).all()
    said = figure("17").found(table)
    assert "at one N +0.0%" in said or "at one N -0.0%" in said
    assert "at one N x passes +7.2%" in said


def test_losses_by_position_are_a_power(evidence):
    table = figure("20").table(evidence)
    assert set(table["panel"]) == {"position", "step"}
    powers = [float(part.split(" at ")[0]) for part in figure("20").found(table).split(": ")[1].split(", ")]
    assert powers == pytest.approx([0.05] * 4, abs=0.002)


def test_a_short_context_is_drawn_beside_the_long(evidence):
    table = figure("21").table(evidence)
    assert "position 8 of 8" in set(table["series"])
    assert "a context of 8 has " in figure("21").found(table)


@pytest.mark.parametrize("name", ["7", "17", "20", "21"])
def test_panels_are_drawn_with_every_series_in_the_legend(name, evidence):
    table = figure(name).table(evidence)
    panels = [ax for ax in drawn(figure(name), table).axes if ax.get_xlabel()]
    shown = {text.get_text() for ax in panels for text in ax.get_legend().get_texts()}
    assert shown == set(table["series"])


def test_runs_of_one_architecture_or_without_positions_are_told_what_lacks(evidence):
    frame = evidence.runs.frame
    with pytest.raises(LackingRunsError, match=r"no run is of a LSTM; it needs .* kaplan/architectures"):
        figure("7").table(Evidence(Runs(frame.loc[frame["target"].isna()], count="non_embedding"), {}))
    plain = Runs(frame.drop(columns="loss_positions_test"), count="non_embedding")
    for name in ("7", "20", "21"):
        with pytest.raises(LackingRunsError, match=r"no losses by position were recorded \(evaluation.by_position\)"):
            figure(name).table(Evidence(plain, {}))


def test_bins_are_means_of_all_positions():
    middles, means = binned(np.arange(1.0, 513))
    assert middles[0] == means[0] == 1
    assert middles[-1] < 512
    assert means[-1] == pytest.approx(middles[-1], rel=0.02)


def test_a_position_is_shown_as_the_mean_of_those_near_it():
    losses = np.arange(1.0, 513)[None]
    assert [near(losses, position).item() for position in (1, 2, 4, 8, 512)] == [1, 2, 4, 8.5, 439]
