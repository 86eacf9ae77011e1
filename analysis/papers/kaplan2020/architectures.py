"""Figures 7, 17, 20 and 21: other architectures, and the loss by position in the context."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.figures import style
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.evidence import Evidence, at_best_rate
from analysis.papers.kaplan2020.one_variable import LOSS
from analysis.papers.tidy import Panel, drawing, rows, tidy
from analysis.runs.curves import load_curve

NEEDS = ("kaplan/architectures",)
TRANSFORMER, LSTM, RECURRENT = "transformer", "LSTM", "recurrent transformer"
N_BINS = 20  # of positions, along their logarithm
SHOWN_POSITIONS = (1, 2, 4, 8, 64, 512)
NEAR = 1.4  # times a position that is shown
SIZE, POSITION, WORK, STEP = "size", "position", "work", "step"
N_LABEL = "N (non-embedding), parameters"


def architecture_words(run: Mapping[str, Any]) -> str:
    """An architecture as legends name it: LSTMs by their layers, recurrent transformers by their passes."""
    if run.get("target") == "lstm":
        return f"{LSTM}, {run['n_layer']:.0f} layer{'s' * (run['n_layer'] != 1)}"
    if run.get("target") == "recurrent":
        return f"{RECURRENT}, {run['option_passes']:.0f} passes"
    return TRANSFORMER


def best_of_each(frame: pd.DataFrame) -> pd.DataFrame:
    """The longest runs of each architecture, N and context at the better rate; kind, passes, positions beside them."""
    read = frame.assign(
        kind=[architecture_words(run) for run in frame.to_dict("records")],
        passes=frame["option_passes"].fillna(1) if "option_passes" in frame else 1,
    )
    read = read.loc[read["D"] == read["D"].max()]
    return pd.concat([at_best_rate(cell) for _, cell in read.groupby(["kind", "N", "n_ctx"])], ignore_index=True)


def _compared(evidence: Evidence, *wanted: str) -> pd.DataFrame:
    """Those of the longest context, which are of several architectures."""
    if "target" not in evidence.runs.frame:
        raise LackingRunsError("the runs do not say their architecture")
    best = best_of_each(evidence.runs.frame)
    best = best.loc[best["n_ctx"] == best["n_ctx"].max()]
    for name in wanted:
        if not any(kind.startswith(name) for kind in best["kind"]):
            raise LackingRunsError(f"no run is of a {name}")
    return best


def positions_of(run: Mapping[str, Any]) -> Array | None:
    """Final loss of a run by position, on the test text if there is one; None if it was not measured."""
    for split in ("test", "valid"):
        values = run.get(f"loss_positions_{split}")
        if isinstance(values, list):
            return np.asarray(values, float)
    return None


def binned(losses: Array) -> tuple[Array, Array]:
    """Means of losses over log-spaced bins of positions from 1 on; and the middle of each bin."""
    n = len(losses)
    edges = np.unique(np.round(np.geomspace(1, n + 1, N_BINS + 1)).astype(int))
    middles = np.sqrt(edges[:-1] * (edges[1:] - 1.0))
    return middles, np.add.reduceat(losses, edges[:-1] - 1) / np.diff(edges)


def near(losses_nT: Array, position: int) -> Array:
    """Means over positions within a factor of 1.4 of one: at a single position the text's noise is of per cents."""
    first, last = int(np.ceil(position / NEAR)), int(position * NEAR)
    return losses_nT[:, first - 1 : last].mean(axis=1)


def _by_position(panel: str, words: str, run: Mapping[str, Any], n_params: float | None = None) -> pd.DataFrame:
    losses = positions_of(run)
    if losses is None:
        raise LackingRunsError("no losses by position were recorded (evaluation.by_position)")
    at, mean = binned(losses)
    return rows(panel, words, "fit", at, mean, n_params=n_params)


def _figure_7(evidence: Evidence) -> pd.DataFrame:
    best = _compared(evidence, TRANSFORMER, LSTM)
    best = best.loc[~best["kind"].str.startswith(RECURRENT)]
    parts = []
    for kind, cells in best.groupby("kind", sort=False):
        parts.append(rows(SIZE, str(kind), "points", cells["N"], cells["L"]))
        largest = cells.loc[cells["N"].idxmax()].to_dict()
        parts.append(_by_position(POSITION, f"{kind}, N = {style.short(largest['N'])}", largest))
    return tidy(parts, evidence.unit)


def _found_7(table: pd.DataFrame) -> str:
    points = table.loc[table["panel"] == SIZE]
    own = points.loc[points["series"] == TRANSFORMER].sort_values("x")
    others = points.loc[points["series"] != TRANSFORMER]
    gaps = []
    for n in (others["x"].min(), others["x"].max()):
        there = others.loc[others["x"].between(n / 1.5, n * 1.5), "y"].min()
        by_own = np.exp(np.interp(np.log(n), np.log(own["x"]), np.log(own["y"])))
        gaps.append(f"{there / by_own - 1:+.1%} at N = {style.short(float(n))}")
    said = []
    for words, part in table.loc[table["panel"] == POSITION].groupby("series", sort=False):
        late = part.loc[part["x"] >= 0.2 * part["x"].max(), "y"]
        said.append(f"{words} {late.iloc[-1] / late.iloc[0] - 1:+.1%}")
    return (
        f"The best LSTM against the transformer (interpolated): {', '.join(gaps)}. Over the last four fifths of the "
        f"context: {'; '.join(said)}."
    )


def _figure_17(evidence: Evidence) -> pd.DataFrame:
    best = _compared(evidence, TRANSFORMER, RECURRENT)
    parts = []
    for kind, cells in best.loc[~best["kind"].str.startswith(LSTM)].groupby("kind", sort=False):
        parts.append(rows(SIZE, str(kind), "points", cells["N"], cells["L"]))
        parts.append(rows(WORK, str(kind), "points", cells["N"] * cells["passes"], cells["L"]))
    return tidy(parts, evidence.unit)


def _found_17(table: pd.DataFrame) -> str:
    said = []
    for panel, words in ((SIZE, "at one N"), (WORK, "at one N x passes")):
        part = table.loc[table["panel"] == panel]
        own = part.loc[part["series"] == TRANSFORMER].sort_values("x")
        others = part.loc[part["series"] != TRANSFORMER]
        inside = others.loc[others["x"].between(own["x"].min(), own["x"].max())]
        by_own = np.exp(np.interp(np.log(inside["x"]), np.log(own["x"]), np.log(own["y"])))
        gap = np.expm1(np.log(inside["y"] / by_own).mean()) if len(inside) else np.nan
        said.append(f"{words} {gap:+.1%} (mean of {len(inside)} cells)")
    return f"Recurrent against plain transformers: {', '.join(said)}."


def _figure_20(evidence: Evidence) -> pd.DataFrame:
    best = _compared(evidence, TRANSFORMER)
    plain = best.loc[best["kind"] == TRANSFORMER].sort_values("N")
    parts = [_by_position(POSITION, "transformers", run, n_params=run["N"]) for run in plain.to_dict("records")]
    curve = load_curve(plain.iloc[-1]) if "curve_path" in plain else pd.DataFrame()
    measured = curve.dropna(subset=["valid_by_position"]) if "valid_by_position" in curve else curve.iloc[:0]
    losses = np.array(measured["valid_by_position"].tolist(), float) if len(measured) else np.empty((0, 0))
    parts += [
        rows(STEP, f"position {position}", "fit", measured["step"], near(losses, position))
        for position in SHOWN_POSITIONS
        if position <= losses.shape[1]
    ]
    return tidy(parts, evidence.unit)


def _found_20(table: pd.DataFrame) -> str:
    said = []
    for n, part in table.loc[table["panel"] == POSITION].groupby("n_params"):
        inside = part.loc[part["x"] >= 4]
        power = -np.polyfit(np.log(inside["x"]), np.log(inside["y"]), 1)[0]
        said.append(f"{power:.3f} at N = {style.short(float(str(n)))}")
    return f"Power of the loss in the position, from 4 on: {', '.join(said)}."


def _figure_21(evidence: Evidence) -> pd.DataFrame:
    _compared(evidence, TRANSFORMER)
    best = best_of_each(evidence.runs.frame)
    plain = best.loc[best["kind"] == TRANSFORMER].sort_values("N")
    parts = []
    for n_ctx, cells in plain.groupby("n_ctx"):
        longest = n_ctx == plain["n_ctx"].max()
        by_run = [positions_of(run) for run in cells.to_dict("records")]
        if any(each is None for each in by_run):
            raise LackingRunsError("no losses by position were recorded (evaluation.by_position)")
        losses = np.array(by_run, float)
        for position in [p for p in SHOWN_POSITIONS if p <= losses.shape[1]]:
            words = f"position {position}" + ("" if longest else f" of {n_ctx:.0f}")
            parts.append(rows(POSITION, words, "points" if longest else "fit", cells["N"], near(losses, position)))
    return tidy(parts, evidence.unit)


def _found_21(table: pd.DataFrame) -> str:
    points = table.loc[table["kind"] == "points"]
    fall = {
        words: part.sort_values("x")["y"].iloc[-1] / part.sort_values("x")["y"].iloc[0] - 1
        for words, part in points.groupby("series", sort=False)
    }
    said = [f"{words} {value:+.1%}" for words, value in fall.items()]
    short_, own = (
        table.loc[table["series"] == words].set_index("x")["y"] for words in ("position 8 of 8", "position 8")
    )
    gap = (short_ / own).dropna()
    beside = f"; a context of 8 has {gap.mean() - 1:+.1%} at position 8" if len(gap) else ""
    return f"From the smallest N to the largest: {', '.join(said)}{beside}."


FIGURE_7 = Figure(
    "7",
    "LSTMs beside transformers",
    "the LSTM keeps up with the transformer on the first tokens of the context and stops improving after some hundred "
    "of them; with N the transformer pulls ahead.",
    "BPE tokens, a context of 512, no token shift: a gap of 1 % shows. A reversed gap at the smallest N is an answer.",
    NEEDS,
    _figure_7,
    drawing(
        {
            SIZE: Panel("loss against N", N_LABEL, LOSS),
            POSITION: Panel("largest of each, by position", "position in the context", LOSS),
        }
    ),
    _found_7,
)
FIGURE_17 = Figure(
    "17",
    "Recurrent transformers",
    "at one N recurrent transformers are slightly better, as they do more work a parameter; at one N x passes they are "
    "slightly worse.",
    "passes of 2 and 4 over one set of weights: one seed, so that gaps below 1 % are noise.",
    NEEDS,
    _figure_17,
    drawing(
        {
            SIZE: Panel("by N", N_LABEL, LOSS),
            WORK: Panel("by the work of a token", "N x passes, parameters", LOSS),
        }
    ),
    _found_17,
)
FIGURE_20 = Figure(
    "20",
    "The loss by position in the context",
    "the loss falls as a power of the position, for larger models further; early positions are learnt first.",
    "positions from 1 to 512 over 65,536 tokens of text: each is a mean over 128 windows, of 3 % or so.",
    NEEDS,
    _figure_20,
    drawing(
        {
            POSITION: Panel("at the end", "position in the context", LOSS),
            STEP: Panel("largest, during training", "steps", LOSS),
        }
    ),
    _found_20,
)
FIGURE_21 = Figure(
    "21",
    "The loss at a position against N",
    "the first positions hardly gain from N, the last ones most; models trained on contexts of 8 (lines) are better at "
    "those positions than models that must serve 512.",
    "the text's own noise at a position is shared by all sizes, which are evaluated on the same windows.",
    NEEDS,
    _figure_21,
    drawing({POSITION: Panel("", N_LABEL, LOSS)}),
    _found_21,
)
