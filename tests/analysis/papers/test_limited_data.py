"""Figures 9 and 16 and L(N, D) from runs of subsets, of known truth."""

import numpy as np
import pandas as pd
import pytest

from analysis.laws.kaplan import kaplan_ln_d
from analysis.laws.kaplan_data import earliest_stop
from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.runs.selection import Runs
from tests.analysis.kaplan_truth import LAW, POWER, SCALE

TRUTH = {"A": 3e5, "D_c": 3e6, "ratio": 0.8, "alpha_D": 0.12}
SIZES, SUBSETS, BATCH = (3e3, 1e4, 3e4, 1e5), (2e4, 6e4, 2e5, 6e5, 2e6), 2048


def figure(name):
    return kaplan2020.figures_named([name])[0]


def subsets(noise=0.0):
    """Runs that stop at twice the bound 5.7, in S_min; their curves turn there."""
    random = np.random.default_rng(1)
    rows, curves = [], {}
    for i, (n, d) in enumerate((n, d) for n in SIZES for d in SUBSETS):
        loss, least = (float(kaplan_ln_d.predict(TRUTH, N=n, D=tokens)) for tokens in (d, 1e30))
        stop = 2 * float(earliest_stop(LAW, loss, least)) * (1 + SCALE * loss**-POWER / BATCH)
        steps = stop * np.geomspace(0.05, 4, 25)
        curves[1000 + i] = steps * BATCH, loss * (1 + 0.1 * np.log(steps / stop) ** 2)
        run = {"run": f"subset{i}", "N": n, "batch_tokens": BATCH, "n_unique_tokens": d, "train_tokens": d}
        best = {
            "best_step": stop,
            "n_steps": 4 * stop,
            "best_n_tokens": stop * BATCH,
            "best_loss_test": loss * np.exp(noise * random.normal()),
        }
        rows.append(run | best | {"vocab_size": 256})
    return pd.DataFrame(rows, index=list(curves)), curves


def test_l_n_d_is_that_of_the_truth_and_its_intervals_hold_it(complete):
    frame, curves = subsets(noise=0.005)
    law = Evidence(complete.given, curves, frame).data_law
    for name in ("ratio", "alpha_D"):
        low, high = law.params[name].ci95
        assert low < TRUTH[name] < high
        assert high - low < 0.2 * TRUTH[name] + 0.1


def test_the_cells_collapse_on_one_line(complete):
    frame, curves = subsets()
    evidence = Evidence(complete.given, curves, frame)
    table = figure("9").table(evidence)
    said = figure("9").found(table)
    assert "rms of eq. 1.5 0.0%" in said
    assert float(said.split("within ")[1].split("%")[0]) < 0.1
    at = table.loc[(table["panel"] == "overfitting") & (table["kind"] == "points")]
    assert len(at) == len(SIZES) * len(SUBSETS)
    panels = [ax for ax in drawn(figure("9"), table).axes if ax.get_xlabel()]
    assert len(panels) == 2


def test_stops_are_set_beside_their_bound(complete):
    frame, curves = subsets()
    evidence = Evidence(complete.given, complete.curves | curves, frame)
    table = figure("16").table(evidence)
    said = figure("16").found(table)
    assert said.startswith("100% of 20 runs stop at or after the bound, the median at 2")
    assert set(table["panel"]) == {"stop", "curves"}
    assert drawn(figure("16"), table).axes


def test_runs_still_falling_at_their_last_step_are_no_stops(complete):
    frame, curves = subsets()
    frame.loc[frame.index[:3], "n_steps"] = frame["best_step"]
    table = figure("16").table(Evidence(complete.given, complete.curves | curves, frame))
    said = figure("16").found(table)
    assert said.startswith("100% of 17 runs stop")
    assert said.endswith("; 3 runs were still falling at their last step.")


def test_runs_on_subsets_alone_feed_no_figure_of_whole_texts(complete):
    frame, curves = subsets()
    alone = Evidence(Runs(complete.given.frame.iloc[:0], count="non_embedding"), curves, frame)
    assert figure("9").table(alone)["unit"].unique().tolist() == ["byte"]
    for name in ("1", "5", "10", "11", "22"):
        with pytest.raises(LackingRunsError, match="all runs are of a subset of the tokens"):
            figure(name).table(alone)
    with pytest.raises(LackingRunsError, match=r"no run is of a subset .* kaplan/data-limited"):
        figure("9").table(complete)
