"""Figures 9 and 16: what too few distinct tokens do, and when runs on them are to be stopped."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.fit import fit
from analysis.laws.critical_batch import min_steps
from analysis.laws.kaplan_data import earliest_stop, overfitting, tokens_needed
from analysis.papers.figure import Figure
from analysis.papers.kaplan2020.evidence import RESAMPLES, Evidence
from analysis.papers.kaplan2020.one_variable import FIRST_STEPS, LOSS
from analysis.papers.tidy import Panel, drawing, rows, tidy

UNLIMITED = 1e30  # tokens
TOLERANCE = 0.02
SURFACE, COLLAPSE, STOP, CURVES = "loss", "overfitting", "stop", "curves"


def converged(evidence: Evidence, n_params: object) -> np.ndarray:
    """L(N, inf) by the fitted L(N, D)."""
    sizes = np.asarray(n_params, float)
    return evidence.data_law.predict(N=sizes, D=np.full_like(sizes, UNLIMITED))


def _figure_9(evidence: Evidence) -> pd.DataFrame:
    cells, law = evidence.of_limited_data, evidence.data_law
    params, ratio = law.values, law.values["ratio"]
    footnote = fit("kaplan_ln_d_footnote", cells, loss="log_squares", resamples=RESAMPLES)
    sizes = style.span(cells["N"], beyond=0.1, n=40)
    parts = []
    for tokens, at in cells.groupby("D"):
        words = f"D = {style.short(float(str(tokens)))}"
        D = np.full_like(sizes, float(str(tokens)))
        parts.append(rows(SURFACE, words, "points", at["N"], at["L"]))
        parts.append(rows(SURFACE, f"{words}, eq. 1.5", "fit", sizes, law.predict(N=sizes, D=D)))
        above = at["L"] / converged(evidence, at["N"]) - 1
        shown = above > 0
        x = at["N"] ** ratio / at["D"]
        parts.append(rows(COLLAPSE, words, "points", x[shown], above[shown]))
    x = style.span(cells["N"] ** ratio / cells["D"], beyond=0.2, n=60)
    rms = {
        name: _rms(each.predict(N=cells["N"], D=cells["D"]), cells["L"])
        for name, each in (("eq. 1.5", law), ("footnote", footnote))
    }
    words = f"eq. 4.3; rms of eq. 1.5 {rms['eq. 1.5']:.1%}, of its footnote's form {rms['footnote']:.1%}"
    parts.append(rows(COLLAPSE, words, "fit", x, overfitting(params, 1.0, 1 / x)))
    needed = tokens_needed(params, 1e5, TOLERANCE)
    parts.append(
        rows(
            COLLAPSE,
            f"{TOLERANCE:.0%}: D = {style.short(float(needed))} at N = 100k",
            "paper",
            [x.min(), x.max()],
            [TOLERANCE, TOLERANCE],
        )
    )
    return tidy(parts, evidence.unit)


def _rms(fitted: np.ndarray, loss: Any) -> float:
    return float(np.sqrt((np.log(fitted / np.asarray(loss, float)) ** 2).mean()))


def _found_9(table: pd.DataFrame) -> str:
    part = table.loc[table["panel"] == COLLAPSE]
    line, points = part.loc[part["kind"] == "fit"], part.loc[part["kind"] == "points"]
    by_law = np.exp(np.interp(np.log(points["x"]), np.log(line["x"]), np.log(line["y"])))
    off = float(np.sqrt(((points["y"] - by_law) ** 2).mean()))
    needed = part.loc[part["kind"] == "paper", "series"].iloc[0]
    return (
        f"{len(points)} cells lie within {off:.1%} of the loss (rms) of eq. 4.3; "
        f"{line['series'].iloc[0].split('; ')[1]}; "
        f"to overfit by less than {needed}, by the exact inverse of eq. 4.4."
    )


def _figure_16(evidence: Evidence) -> pd.DataFrame:
    cells = evidence.of_limited_data
    gap = cells["L"] - converged(evidence, cells["N"])
    steps = min_steps(cells["S"], cells["B"], evidence.b_crit.predict(L=cells["L"]))
    shown, ended = np.asarray(gap > 0), np.asarray(cells["S"] >= cells["n_steps"])
    parts = [
        rows(STOP, words, kind, gap[each], steps[each], n_params=cells.loc[each, "N"])
        for words, kind, each in (
            ("best checkpoints", "points", shown & ~ended),
            ("still falling at the last step: no stop", "early", shown & ended),
        )
    ]
    at = style.span(gap[shown], beyond=0.2, n=40)
    bound = earliest_stop(evidence.steps_law_at_least.values, at, 0.0)
    parts.append(rows(STOP, r"bound 5.7, $S_c / [L(N, D) - L(N, \infty)]^{1/\alpha_S}$", "fit", at, bound))
    sizes = np.unique(cells["N"].to_numpy(float))
    middle = float(sizes[len(sizes) // 2])
    for index, run in cells.loc[cells["N"] == middle].sort_values("D").iterrows():
        if index in evidence.curves:
            tokens, loss = evidence.curves[index]
            after = tokens >= FIRST_STEPS * tokens.max()
            steps_ = tokens[after] / run["B"]
            parts.append(rows(CURVES, f"D = {style.short(run['D'])}", "fit", steps_, loss[after]))
            parts.append(rows(CURVES, "best checkpoint, test text", "points", [run["S"]], [run["L"]]))
    return tidy(parts, evidence.unit)


def _found_16(table: pd.DataFrame) -> str:
    part = table.loc[table["panel"] == STOP]
    points, bound = part.loc[part["kind"] == "points"], part.loc[part["kind"] == "fit"]
    n_ended = int((part["kind"] == "early").sum())
    never = f"{n_ended} runs were still falling at their last step" if n_ended else ""
    if points.empty:
        return f"{never}: none shows when to stop."
    least = np.exp(np.interp(np.log(points["x"]), np.log(bound["x"]), np.log(bound["y"])))
    ratio = points["y"].to_numpy(float) / least
    return (
        f"{(ratio >= 1).mean():.0%} of {len(points)} runs stop at or after the bound, the median at "
        f"{np.median(ratio):.2g} times it{never and '; ' + never}."
    )


FIGURE_9 = Figure(
    "9",
    "Size and distinct tokens: L(N, D), and overfitting on one line",
    "with few tokens larger models stop helping; the loss above that of unlimited tokens depends on "
    "N^(alpha_N/alpha_D)/D alone.",
    "subsets from 2e4 to 1.3e6 tokens, stopped early by the validation text: losses move by .3 to 1 nat, seeds by 1 %.",
    ("kaplan/data-limited",),
    _figure_9,
    drawing(
        {
            SURFACE: Panel("early-stopped loss", "N (non-embedding), parameters", LOSS),
            COLLAPSE: Panel(
                "overfitting", r"$N^{\alpha_N/\alpha_D} / D$", r"$L(N, D)/L(N, \infty) - 1$", x_as=style.power
            ),
        }
    ),
    _found_9,
)
FIGURE_16 = Figure(
    "16",
    "When to stop",
    "runs short of tokens have their lowest loss at a step that the gap to the converged loss bounds from below; the "
    "fewer the tokens, the earlier.",
    "the step of the best checkpoint is one of 25 log-spaced evaluations: it is known to 20 %.",
    ("kaplan/data-limited", "kaplan/sizes", "kaplan/critical-batch"),
    _figure_16,
    drawing(
        {
            STOP: Panel(
                "step of the best checkpoint",
                r"$L(N, D) - L(N, \infty)$, nats/{unit}",
                r"$S_{stop}$, least steps",
                y_as=style.power,
            ),
            CURVES: Panel("validation loss of one size", "steps", LOSS),
        }
    ),
    _found_16,
)
