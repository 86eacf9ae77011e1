"""Training curves of runs: what was logged, and the losses along a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.runs.from_archive import archived_curve, in_archive
from analysis.runs.selection import Runs
from scaling_harness.record.atomic_files import rows_until_damage

SMOOTHING_STEPS = 10
CUT = "cut"
MIN_POINTS = 5  # validation losses a curve needs; with fewer the smoothed training loss is used

Points = tuple[Array, Array]
"""Tokens and loss (nats) along one run."""


def load_curve(run: Mapping[str, Any] | pd.Series | Path | str) -> pd.DataFrame:
    """Training curve of a run.

    Parameters
    ----------
    run : Series or path
        A row of ``Runs.frame``, or a `metrics.jsonl`.

    Returns
    -------
    DataFrame
        step, tokens, flops, loss, lr, grad_norm and, if it was measured, valid_loss (nats). A damaged line ends it, as
        `attrs[CUT]` says.
    """
    path = Path(run if isinstance(run, str | Path) else str(run["curve_path"]))
    if in_archive(path.parent):
        return pd.DataFrame(archived_curve(path))
    rows, damaged = rows_until_damage(path.read_bytes()) if path.exists() else ([], None)
    curve = pd.DataFrame(rows)
    if damaged:
        curve.attrs[CUT] = f"line {damaged} of {path} is damaged: the curve of this run is cut there"
    return curve


def smooth_gaussian(values: Array, window: float = SMOOTHING_STEPS) -> Array:
    """Gaussian mean over steps; ``window`` is two standard deviations, edges use what is there."""
    half = int(np.ceil(2 * window))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / (window / 2)) ** 2)
    total = np.convolve(values, kernel, mode="full")[half : half + len(values)]
    return total / np.convolve(np.ones(len(values)), kernel, mode="full")[half : half + len(values)]


def curve_points(curve: pd.DataFrame) -> Points:
    """Tokens and loss of a curve: validation losses, or the smoothed training loss without them."""
    tokens, loss = _column(curve, "tokens"), _column(curve, "valid_loss")
    measured = np.isfinite(loss) & (loss > 0) & (tokens > 0)
    if measured.sum() >= MIN_POINTS:
        return tokens[measured], loss[measured]
    loss = _column(curve, "loss")
    measured = np.isfinite(loss) & (loss > 0) & (tokens > 0)
    return tokens[measured], smooth_gaussian(loss[measured]) if measured.any() else loss[measured]


def _column(curve: pd.DataFrame, name: str) -> Array:
    """A column as floats, NaN where it was not logged or is no number."""
    return (
        np.asarray(pd.to_numeric(curve[name], errors="coerce"), float) if name in curve else np.full(len(curve), np.nan)
    )


class Curves(dict[object, Points]):
    """Tokens and loss along runs, by their index in the frame; `notes` says which were cut."""

    notes: tuple[str, ...] = ()


def curves_of(runs: Runs) -> Curves:
    """Tokens and loss of every run that has a readable curve; a damaged line ends it, with a note."""
    curves, notes = Curves(), []
    for index, row in runs.frame.iterrows():
        curve = load_curve(row) if "curve_path" in row else pd.DataFrame()
        notes += [curve.attrs[CUT]] if CUT in curve.attrs else []
        if len(curve) >= MIN_POINTS and len((points := curve_points(curve))[0]):
            curves[index] = points
    curves.notes = tuple(notes)
    return curves
