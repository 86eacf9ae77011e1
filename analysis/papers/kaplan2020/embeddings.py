"""Figure 6: whether the loss follows N with embeddings or without them."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.cells import cells_of
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.kaplan2020.one_variable import LOSS
from analysis.papers.tidy import Panel, drawing, rows, tidy

WITH, WITHOUT = "with embeddings", "without embeddings"
COLUMNS = {WITH: "n_params_total", WITHOUT: "n_params_non_embedding"}
MIN_DEPTHS = 2
FROM_LAYERS = 2
"""Layers from which cells count towards the line and its spread: of one layer the paper finds no trend in common."""


def _figure_6(evidence: Evidence) -> pd.DataFrame:
    cells, noise = cells_of(evidence.runs.frame, ["n_layer", "d_model", *COLUMNS.values()])
    cells = cells.loc[cells["D"] == cells["D"].mode().iloc[0]]
    deep = cells.loc[cells["n_layer"] >= FROM_LAYERS]
    if deep["n_layer"].nunique() < MIN_DEPTHS or len(deep) < MIN_DEPTHS * 2:
        raise LackingRunsError(
            f"the two counts of N are told apart by {MIN_DEPTHS} depths of several widths, from {FROM_LAYERS} layers on"
        )
    parts = []
    for panel, column in COLUMNS.items():
        for n_layer, depth in cells.groupby("n_layer"):
            bar = noise * depth["L"] / np.sqrt(depth["n_seeds"])
            at = {"low": depth["L"] - bar, "high": depth["L"] + bar}
            words = f"{n_layer} layer{'s' * (n_layer != 1)}"
            parts.append(rows(panel, words, "points", depth[column], depth["L"], **at))
        parts.append(_line(panel, deep[column], deep["L"]))
    return tidy(parts, evidence.unit)


def _line(panel: str, n_params: pd.Series, loss: pd.Series) -> pd.DataFrame:
    """One power of N through cells of all depths; its words say how far they lie from it."""
    log_n, log_loss = np.log(n_params.to_numpy(float)), np.log(loss.to_numpy(float))
    power, level = np.polyfit(log_n, log_loss, 1)
    misses = log_loss - (level + power * log_n)
    rms = float(np.sqrt((misses**2).sum() / (len(loss) - 2)))
    at = style.span(n_params, beyond=0.05, n=30)
    words = f"one power, {FROM_LAYERS} layers or more: rms {rms:.2%}"
    return rows(panel, words, "fit", at, np.exp(level) * at**power)


def _found(table: pd.DataFrame) -> str:
    lines = table.loc[table["kind"] == "fit", ["panel", "series"]].drop_duplicates()
    said = [f"{panel} the cells lie {words.rsplit(' ', 1)[1]} rms off one power" for panel, words in lines.values]
    points = table.loc[table["kind"] == "points"]
    bar = float(((points["high"] - points["y"]) / points["y"]).median())
    seeds = f"; seeds move a mean by {bar:.2%}" if np.isfinite(bar) else "; no cell has two seeds"
    return "; ".join(said) + seeds + "."


FIGURE_6 = Figure(
    "6",
    "N with embeddings, and without them",
    "with embeddings each depth has a line of its own; without them, from two layers on, all lie on one.",
    "a vocabulary of 2,048, so that embedding and head hold most of the parameters of a small model; widths up to 64 "
    "at one to six layers.",
    ("kaplan/embeddings",),
    _figure_6,
    drawing(
        {
            WITH: Panel(WITH, "N (total), parameters", LOSS),
            WITHOUT: Panel(WITHOUT, "N (non-embedding), parameters", LOSS),
        }
    ),
    _found,
)
