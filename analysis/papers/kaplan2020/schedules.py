"""Figure 22: schedules of the learning rate, and the loss against their summed rate."""

import json
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.cells import cells_of
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.kaplan2020.one_variable import LOSS
from analysis.papers.tidy import Panel, drawing, rows, tidy
from analysis.runs.curves import load_curve

MIN_SCHEDULES = 3
RATES, SUMS = "rates", "loss"


def schedule_words(schedule: str) -> str:
    """A schedule as the legend names it, from its settings as JSON."""
    said = json.loads(schedule)
    warmup = "" if said["warmup"]["amount"] else ", no warm-up"
    if said["kind"] == "cosine":
        return f"cosine to {said['final_fraction']:g}{warmup}"
    fall = said.get("fall_exponent", 0.0)
    before = f"tokens to the -{fall:g}" if fall else "constant"
    if said["kind"] == "constant":
        return before + warmup
    shape = {"linear": "linear", "one_minus_sqrt": "1 - sqrt"}[said["shape"]]
    share = said["cooldown_fraction"]
    return f"{shape}{warmup}" if share == 1 else f"{before}, {shape} over the last {share:.0%}{warmup}"


def with_sums(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[Any, pd.DataFrame]]:
    """Runs with the words of their schedule and their summed rate; and step and rate along each.

    Raises
    ------
    LackingRunsError
        The runs do not say their schedule, or have no curve.
    """
    if missing := [name for name in ("schedule", "curve_path") if name not in frame]:
        raise LackingRunsError(f"the runs do not say their {', '.join(missing)}")
    curves = {index: load_curve(run) for index, run in frame.iterrows()}
    if any("lr" not in curve for curve in curves.values()):
        raise LackingRunsError("a run has no curve of its learning rate")
    along = {index: pd.DataFrame(curve, columns=["step", "lr"]).dropna() for index, curve in curves.items()}
    sums = [float(np.trapezoid(each["lr"], each["step"])) for each in along.values()]
    return frame.assign(words=frame["schedule"].map(schedule_words), summed=sums), along


def _figure_22(evidence: Evidence) -> pd.DataFrame:
    frame, along = with_sums(evidence.runs.frame)
    frame = frame.loc[frame["N"] == frame["N"].mode().iloc[0]]
    frame = frame.loc[frame["D"] == frame["D"].mode().iloc[0]]
    if (n := frame["words"].nunique()) < MIN_SCHEDULES:
        raise LackingRunsError(f"schedules are compared at one N and D: {n} of {MIN_SCHEDULES} have the same")
    middle = float(np.sort(frame["lr"].unique())[frame["lr"].nunique() // 2])
    cells, noise = cells_of(frame, ["words", "lr", "summed"])
    parts = []
    for words, runs in frame.loc[frame["lr"] == middle].groupby("words", sort=False):
        rate = along[runs.index[0]]
        parts.append(rows(RATES, str(words), "fit", rate["step"] / rate["step"].max(), rate["lr"]))
    for words, of_schedule in cells.groupby("words", sort=False):
        bar = noise * of_schedule["L"] / np.sqrt(of_schedule["n_seeds"])
        at = {"low": of_schedule["L"] - bar, "high": of_schedule["L"] + bar}
        parts.append(rows(SUMS, str(words), "points", of_schedule["summed"], of_schedule["L"], **at))
    return tidy(parts, evidence.unit)


def _found(table: pd.DataFrame) -> str:
    points = table.loc[table["panel"] == SUMS]
    best = points.groupby("series")["y"].min().sort_values()
    bar = float(((points["high"] - points["y"]) / points["y"]).median())
    rank = points[["x", "y"]].corr("spearman").iloc[0, 1]
    seeds = f"seeds move a mean by {bar:.2%}" if np.isfinite(bar) else "no cell has two seeds"
    return (
        f"{len(best)} schedules, each at its best peak: {best.index[0]} is lowest, {best.index[-1]} "
        f"{best.iloc[-1] / best.iloc[0] - 1:.2%} above it, the median {best.median() / best.iloc[0] - 1:.2%}; {seeds}. "
        f"Rank correlation of loss and summed rate over all {len(points)} cells: {rank:.2f}."
    )


FIGURE_22 = Figure(
    "22",
    "Schedules of the learning rate",
    "the shape of the schedule hardly matters, if the sum of the rates is large enough and it ends low.",
    "two seeds for each of ten schedules at three peaks, a factor of 2 apart: .3 % between means shows.",
    ("kaplan/schedules",),
    _figure_22,
    drawing(
        {
            RATES: Panel("rates at the middle peak", "share of the steps", "learning rate", log_x=False, log_y=False),
            SUMS: Panel("", "sum of the rates over the steps", LOSS, x_as=style.plain),
        }
    ),
    _found,
)
