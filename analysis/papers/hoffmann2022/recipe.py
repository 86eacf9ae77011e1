"""Figures A1, A4 and A6: a cosine longer than the run, a model four times larger, and weight decay."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.papers.by_setting import changes, mean_curve, percent, runs_by
from analysis.papers.figure import Figure
from analysis.papers.hoffmann2022.evidence import Evidence
from analysis.papers.hoffmann2022.frontier import COMPUTE, LOSS, N_LABEL
from analysis.papers.tidy import Panel, drawing, rows, tidy
from analysis.runs.conventions import unit_of
from scaling_harness.errors import HarnessError

CYCLE, DECAY = "schedule.cycle", "optim.weight_decay"
LONGER = 1.25
"""Length of a cosine beyond which the paper sees the loss grow."""
CHANGE = "change of the final loss, %"


def unit(runs: pd.DataFrame) -> str:
    """What a token of these runs is."""
    return unit_of(runs["vocab_size"].iloc[0])


def _change_rows(panel: str, runs: pd.DataFrame, setting: str, base: float) -> list[pd.DataFrame]:
    """Changes by the setting, a series for each size and length, beginning with none at the base."""
    found = changes(runs, setting, base)
    parts = []
    for _, cell in found.groupby(["N", "D"]):
        n_params, n_tokens = float(cell["N"].iloc[0]), float(cell["D"].iloc[0])
        words = f"N {style.short(n_params)}, D {style.short(n_tokens)}, seeds paired, 95 %"
        ends = {"low": cell["low"], "high": cell["high"]}
        parts.append(rows(panel, words, "points", cell[setting].astype(float), cell["change"], **ends))
    return parts


def _figure_a1(evidence: Evidence) -> pd.DataFrame:
    runs = runs_by(evidence.path(0), {CYCLE: 1.0})
    longest = runs.loc[runs["D"] == runs["D"].max()]
    parts = _change_rows("change", runs, CYCLE, 1.0)
    for cycle, group in longest.groupby(CYCLE):
        tokens, loss = mean_curve(group)
        parts.append(rows("curves", f"cosine of {cycle:g} times the run", "fit", tokens, loss))
    return tidy(parts, unit(runs))


def _found_a1(table: pd.DataFrame) -> str:
    points = table.loc[table["panel"] == "change"]
    said = []
    for words, cell in points.groupby("series", sort=False):
        seen = cell.loc[cell["low"] > 0, "x"]
        first = f"worse beyond noise from {seen.min():g} times on" if len(seen) else "at no length worse beyond noise"
        end = cell.loc[cell["x"].idxmax()]
        said.append(f"{words.split(', seeds')[0]}: {first}, {end['y']:+.1f} % at {end['x']:g} times")
    return f"{'; '.join(said)} (paper: visibly worse beyond {LONGER:g} times)."


def _figure_a4(evidence: Evidence) -> pd.DataFrame:
    runs = runs_by(evidence.path(0), {})
    parts = []
    for panel, x, by_compute in (("compute", "C", True), ("tokens", "D", False)):
        for _, group in runs.sort_values("seed").groupby("N"):
            tokens, loss = mean_curve(group)
            n_params = float(group["N"].iloc[0])
            per_token = FLOPS_PER_PARAM_TOKEN * n_params if by_compute else 1.0
            words = f"N {style.short(n_params)}, D {style.short(group['D'].iloc[0])}"
            parts.append(rows(panel, f"{words}, mean curve, validation text", "fit", tokens * per_token, loss))
            parts.append(rows(panel, f"{words}, ends, test text", "points", group[x], group["loss"]))
    return tidy(parts, unit(runs))


def head_to_head(table: pd.DataFrame) -> tuple[float, float, float]:
    """Per cent by which the larger model's final loss is higher, with Student's interval; seeds paired.

    Raises
    ------
    HarnessError
        There are not two models.
    """
    points = table.loc[(table["panel"] == "tokens") & (table["kind"] == "points")]
    sides = [side["y"].to_numpy(float) for _, side in sorted(points.groupby("x"), reverse=True)]
    if len(sides) != 2 or len(sides[0]) != len(sides[1]):
        raise HarnessError(f"{len(sides)} models, or seeds that are not those of both: two are compared")
    found = percent(np.log(sides[1] / sides[0]))
    return found.value, *(found.ci95 or (np.nan, np.nan))


def _found_a4(table: pd.DataFrame) -> str:
    value, low, high = head_to_head(table)
    words = "higher" if value > 0 else "lower"
    sure = "beyond noise" if low > 0 or high < 0 else "within noise"
    return (
        f"The final loss of the larger model on fewer tokens is {abs(value):.1f} % {words} [{low:.1f}, {high:.1f}], "
        f"{sure} (paper: Chinchilla beats Gopher, four times its size, at the same compute)."
    )


def _figure_a6(evidence: Evidence) -> pd.DataFrame:
    runs = runs_by(evidence.path(0), {DECAY: 0.0})
    parts = _change_rows("change", runs, DECAY, 0.0)
    largest = runs.loc[runs["N"] == runs["N"].max()]
    base = mean_curve(largest.loc[largest[DECAY] == 0])
    for decay, group in largest.loc[largest[DECAY] > 0].groupby(DECAY):
        tokens, loss = mean_curve(group)
        apart = 100 * np.expm1(np.log(loss) - np.interp(np.log(tokens), np.log(base[0]), np.log(base[1])))
        parts.append(rows("along", f"AdamW, decay {decay:g}", "fit", tokens / tokens[-1], apart))
    return tidy(parts, unit(runs))


def _found_a6(table: pd.DataFrame) -> str:
    points = table.loc[table["panel"] == "change"]
    better, worse = points.loc[points["high"] < 0], points.loc[points["low"] > 0]
    least = points.loc[points["y"].idxmin()]
    said = (
        f"Of {len(points)} decays and sizes AdamW is better than Adam beyond noise in {len(better)}, worse in "
        f"{len(worse)}; the best is {least['x']:g} ({least['y']:+.2f} % [{least['low']:.2f}, {least['high']:.2f}], "
        f"{least['series'].split(',')[0]})"
    )
    return f"{said} (paper: AdamW ends lower, and passes Adam only late in the cosine)."


FIGURE_A1 = Figure(
    "A1",
    "A cosine longer than the run",
    "the longer the cosine is than the run, the higher the loss: from 1.25 times on it is visible.",
    "three seeds, paired: .3 %; at 5 times the rate has hardly decayed, which costs 3 % and more here.",
    ("hoffmann/cosine-length",),
    _figure_a1,
    drawing(
        {
            "change": Panel("at the end", "length of the cosine, runs", CHANGE, x_as=style.plain, log_y=False),
            "curves": Panel("along the longest runs", "tokens, {unit}s", LOSS),
        }
    ),
    _found_a1,
)
FIGURE_A4 = Figure(
    "A4",
    "Head to head: approach 1's size against a model four times larger",
    "at one compute the smaller model on four times the tokens ends lower.",
    "a factor 4 off the best size costs 4 % and more, seeds differ by .3 %.",
    ("hoffmann/head-to-head",),
    _figure_a4,
    drawing(
        {
            "compute": Panel("", COMPUTE, LOSS, x_as=style.power, shade=N_LABEL),
            "tokens": Panel("", "tokens, {unit}s", LOSS, shade=N_LABEL),
        }
    ),
    _found_a4,
)
FIGURE_A6 = Figure(
    "A6",
    "Adam against AdamW",
    "AdamW ends lower; along the run it is behind until late.",
    "three seeds, paired: .3 %. Runs of 8,000 steps are as long as 1 / (rate x decay) only for the larger decays.",
    ("hoffmann/weight-decay",),
    _figure_a6,
    drawing(
        {
            "change": Panel("at the end", "weight decay", CHANGE, x_as=style.plain, log_y=False),
            "along": Panel(
                "along the larger size", "part of the run", "loss against Adam's, %", x_as=style.plain, log_y=False
            ),
        }
    ),
    _found_a6,
)
