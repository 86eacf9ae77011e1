"""Training curves of runs: what was logged, and the losses along a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.runs.from_archive import archived_curve, in_archive
from analysis.runs.selection import Runs
from scaling_harness.record.atomic_files import read_jsonl

SMOOTHING_STEPS = 10
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
        step, tokens, flops, loss, lr, grad_norm and, if it was measured, valid_loss (nats).
    """
    path = Path(run if isinstance(run, str | Path) else str(run["curve_path"]))
    return pd.DataFrame(archived_curve(path) if in_archive(path.parent) else read_jsonl(path))


def smooth_gaussian(values: Array, window: float = SMOOTHING_STEPS) -> Array:
    """Gaussian mean over steps; ``window`` is two standard deviations, edges use what is there."""
    half = int(np.ceil(2 * window))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / (window / 2)) ** 2)
    total = np.convolve(values, kernel, mode="full")[half : half + len(values)]
    return total / np.convolve(np.ones(len(values)), kernel, mode="full")[half : half + len(values)]


def curve_points(curve: pd.DataFrame) -> Points:
    """Tokens and loss of a curve: validation losses, or the smoothed training loss without them."""
    tokens, loss = _column(curve, "tokens"), _column(curve, "valid_loss")
    measured = np.isfinite(loss) & (tokens > 0)
    if measured.sum() >= MIN_POINTS:
        return tokens[measured], loss[measured]
    loss = _column(curve, "loss")
    measured = np.isfinite(loss) & (tokens > 0)
    return tokens[measured], smooth_gaussian(loss[measured])


def _column(curve: pd.DataFrame, name: str) -> Array:
    """A column as floats, NaN if it was not logged."""
    return np.asarray(curve[name], float) if name in curve else np.full(len(curve), np.nan)


def curves_of(runs: Runs) -> dict[object, Points]:
    """Tokens and loss of every run that has a readable curve, by its index in the frame."""
    curves = {}
    for index, row in runs.frame.iterrows():
        curve = load_curve(row) if "curve_path" in row else pd.DataFrame()
        if len(curve) >= MIN_POINTS:
            curves[index] = curve_points(curve)
    return curves
