"""The gradient noise scale against the loss: measurements of all runs of a size, gathered by the loss."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.hyperparameters.optima import BestSettings, find_rules
from analysis.runs.curves import Curves, Points
from analysis.runs.from_records import differing_fields
from analysis.runs.selection import Runs
from scaling_harness.record.gradient_noise_scale import noise_scale_of

PER_POINT = 8
"""Measurements wanted for a point: with fewer its interval is wider than what there is to see."""
MAX_POINTS = 6
BATCH_SETTINGS = {"optim.lr", "budget.batch_tokens"}


@dataclass(frozen=True)
class NoisePoint:
    """B_simple at one loss, for runs of one size and batch."""

    n_params: float
    batch_tokens: int
    loss_nats: float
    """Geometric mean of the validation losses at the measurements."""
    n_measurements: int
    tokens: float | None
    ci95: tuple[float, float] | None
    reason: str | None
    """Why there is no value."""


def noise_points(runs: Runs, curves: Curves) -> tuple[NoisePoint, ...]:
    """Gather the measurements of the runs' curves.

    Parameters
    ----------
    runs : Runs
        Runs of records; a table has no curves.
    curves : Curves
        From `curves.curves_of`: the validation loss at a measurement is interpolated in the logs, and a measurement
        before the first of them or after the last is left out.

    Returns
    -------
    tuple of NoisePoint
        By size, batch and falling loss; empty if nothing was measured.
    """
    if not {"batch_tokens", "n_ctx"} <= set(runs.frame):
        return ()
    points = []
    for _, group in runs.frame.groupby(["N", "batch_tokens", "n_ctx"]):
        taken = [_measured(curves[index], curves.gradients[index]) for index in group.index if index in curves]
        if taken:
            points += _points(group.iloc[0].to_dict(), np.concatenate(taken))
    return tuple(points)


def best_batches(frame: pd.DataFrame) -> tuple[BestSettings, ...]:
    """Best batch of each (N, D), of a sweep that varies the batch and at most the learning rate besides."""
    if "batch_tokens" not in frame or np.max(frame.groupby(["N", "D"])["batch_tokens"].nunique()) < 2:
        return ()
    if "science" in frame and not set(differing_fields(frame)) <= BATCH_SETTINGS:
        return ()
    return tuple(optimum for optimum in find_rules(frame).optima if "batch_tokens" in optimum.best)


def _measured(points: Points, gradients: Array) -> Array:
    """Measurements of a run: ln of the validation loss there, |G|^2, tr(Sigma)."""
    tokens, _, *measured = gradients.T
    log_loss = np.interp(np.log(tokens), np.log(points[0]), np.log(points[1]), left=np.nan, right=np.nan)
    return np.column_stack([log_loss, *measured])[np.isfinite(log_loss)]


def _points(run: Mapping[Any, Any], taken: Array) -> Iterator[NoisePoint]:
    """Equal parts of the measurements, in the order of the loss."""
    taken = taken[np.argsort(-taken[:, 0], kind="stable")]
    n_parts = min(MAX_POINTS, max(1, len(taken) // PER_POINT))
    for rows in np.array_split(taken, n_parts) if len(taken) else ():
        scale, n_ctx = noise_scale_of(rows[:, 1:]), run["n_ctx"]
        yield NoisePoint(
            n_params=run["N"],
            batch_tokens=run["batch_tokens"],
            loss_nats=float(np.exp(rows[:, 0].mean())),
            n_measurements=len(rows),
            tokens=scale.seqs and scale.seqs * n_ctx,
            ci95=scale.ci95_seqs and (scale.ci95_seqs[0] * n_ctx, scale.ci95_seqs[1] * n_ctx),
            reason=scale.reason,
        )
