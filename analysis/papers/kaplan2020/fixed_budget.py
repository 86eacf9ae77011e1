"""Figures 11 and 19: the loss against N at one compute or one number of steps, and what a loss costs each N."""

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.figures import style
from analysis.laws.critical_batch import min_flops
from analysis.laws.kaplan_compute import loss_of_compute
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.compute import measured_batch
from analysis.papers.kaplan2020.evidence import Evidence, along, lengths
from analysis.papers.kaplan2020.one_variable import FIRST_STEPS, LOSS
from analysis.papers.tidy import Panel, drawing, rows, tidy

N_LEVELS, N_CANDIDATES = 4, 200
MIN_SIZES = 3  # that reach a level
N_LABEL = "N (non-embedding), parameters"
COMPUTE, STEPS, TOKENS = "compute", "steps", "tokens"


def at_level(points: pd.DataFrame, column: str, level: float, name: str) -> pd.DataFrame:
    """N and a column of the runs of each N, mean over them, where another column has a level that they reach."""
    found = []
    for _, run in points.groupby("run", sort=False):
        there = along(run.sort_values(column), column, name, np.log([level]))[0]
        found.append({"N": float(run["N"].iloc[0]), name: float(np.exp(there))})
    return pd.DataFrame(found).dropna().groupby("N", as_index=False).agg({name: "mean"})


def levels(points: pd.DataFrame, column: str) -> Array:
    """Values of a column, spread in the logs over those which the curves of at least `MIN_SIZES` sizes pass.

    Raises
    ------
    LackingRunsError
        There are too few sizes, or their curves do not overlap.
    """
    low, high = (points.groupby("N")[column].agg(end).to_numpy(float) for end in ("min", "max"))
    grid = np.geomspace(low.min(), high.max(), N_CANDIDATES)
    passed = ((low[:, None] < grid) & (grid < high[:, None])).sum(axis=0)
    kept = grid[passed >= MIN_SIZES]
    if len(kept) < N_LEVELS:
        raise LackingRunsError(
            f"the curves of {MIN_SIZES} sizes of one batch must overlap in {column}: of {len(low)} sizes none do"
        )
    return kept[np.linspace(0, len(kept) - 1, N_LEVELS + 2).astype(int)[1:-1]]


def _points(evidence: Evidence) -> pd.DataFrame:
    """The curves without their warm-up; early losses of large sizes are what is compared here."""
    points = evidence.at_least
    return points.loc[points["D"] >= FIRST_STEPS * lengths(points)]


def _figure_11(evidence: Evidence) -> pd.DataFrame:
    points, law = _points(evidence), evidence.steps_law_at_least
    batch = measured_batch(evidence.b_crit)
    sizes = style.span(points["N"], beyond=0.1, n=60)
    parts = []
    for C in levels(points, "C_min"):
        words = f"{style.power(C)} FLOP"
        fitted = loss_of_compute(law.values, batch, sizes, C)
        parts += _cut(COMPUTE, words, at_level(points, "C_min", C, "L"), sizes, fitted)
    for S in levels(points, "S_min"):
        words = f"{style.short(S)} steps"
        parts += _cut(STEPS, words, at_level(points, "S_min", S, "L"), sizes, law.predict(N=sizes, S=S))
    return tidy(parts, evidence.unit)


def _cut(panel: str, words: str, at: pd.DataFrame, sizes: Array, fitted: Array) -> list[pd.DataFrame]:
    return [rows(panel, words, "points", at["N"], at["L"]), rows(panel, f"{words}, eq. 5.6", "fit", sizes, fitted)]


def _found_11(table: pd.DataFrame) -> str:
    said = []
    for panel, words in ((COMPUTE, "C_min"), (STEPS, "S_min")):
        part = table.loc[table["panel"] == panel]
        misses = np.concatenate([_misses(part, each) for each in part.loc[part["kind"] == "points", "series"].unique()])
        said.append(f"at fixed {words} eq. 5.6 misses {len(misses)} cells by {np.sqrt((misses**2).mean()):.1%} rms")
    best = table.loc[(table["panel"] == COMPUTE) & (table["kind"] == "fit")].groupby("series", sort=False)
    sizes = ", ".join(style.short(float(part.loc[part["y"].idxmin(), "x"])) for _, part in best)
    return "; ".join(said) + f"; the best N of the {N_LEVELS} budgets by it: {sizes}."


def _misses(part: pd.DataFrame, words: str) -> Array:
    points, line = part.loc[part["series"] == words], part.loc[part["series"] == f"{words}, eq. 5.6"]
    fitted = np.interp(np.log(points["x"]), np.log(line["x"]), np.log(line["y"]))
    return np.log(points["y"].to_numpy(float)) - fitted


def _figure_19(evidence: Evidence) -> pd.DataFrame:
    points = _points(evidence)
    points = points.assign(E_min=min_flops(points["D"], points["B"], points["B_crit"]))
    parts = []
    for loss in levels(points, "L")[::-1]:
        for panel, column in ((STEPS, "S_min"), (TOKENS, "E_min")):
            there = at_level(points, "L", loss, column)
            parts.append(rows(panel, f"{loss:.3g} nats", "points", there["N"], there[column]))
    return tidy(parts, evidence.unit)


def _found_19(table: pd.DataFrame) -> str:
    said = []
    for words, part in table.groupby("series", sort=False):
        fewer = {}
        for panel, of_panel in part.groupby("panel"):
            at = of_panel.sort_values("x")["y"].to_numpy(float)
            fewer[panel] = at[0] / at[-1]
        said.append(f"{words}: {fewer[STEPS]:.2g} times fewer steps, {fewer[TOKENS]:.2g} times fewer tokens")
    return f"From the smallest N that gets there to the largest: {'; '.join(said)}."


FIGURE_11 = Figure(
    "11",
    "The loss against N at one compute, and at one number of steps",
    "at one compute a valley with a best size, which moves right with the budget; at one number of steps no valley: "
    "larger is better throughout. One law goes through both.",
    "a batch of a tenth of B_crit and more; sizes over a factor of 30, beside seeds of .2 to .7 %.",
    ("kaplan/sizes", "kaplan/critical-batch"),
    _figure_11,
    drawing(
        {
            COMPUTE: Panel(r"at one $C_{min}$", N_LABEL, LOSS),
            STEPS: Panel(r"at one $S_{min}$", N_LABEL, LOSS),
        }
    ),
    _found_11,
)
FIGURE_19 = Figure(
    "19",
    "Steps and tokens that a loss takes, by N",
    "larger models take fewer steps and fewer tokens to one loss (paper: a hundred times fewer over its sizes).",
    "losses that several sizes reach: over a factor of 30 in N the tokens fall by factors, seeds move them by a few %.",
    ("kaplan/sizes", "kaplan/critical-batch"),
    _figure_19,
    drawing(
        {
            STEPS: Panel("steps", N_LABEL, r"$S_{min}$", y_as=style.short),
            TOKENS: Panel("tokens", N_LABEL, r"$E_{min}$, {unit}s", y_as=style.short),
        }
    ),
    _found_19,
)
