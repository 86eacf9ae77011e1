"""Approach 1 on final losses: the lowest loss of a whole run at each compute, interpolated between a size's budgets.

The envelope of training curves (Hoffmann et al. 2022, section 3.1) runs mostly where the learning rate has not decayed.
Where each size was trained to several budgets, as branches of a trunk (Hägele et al. 2024) or as runs of their own, the
final losses of a size are a curve on which every point has decayed.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.frontier.approach1_envelope import MIN_SIZES, N_FLOPS, Envelope, bracketed
from analysis.frontier.common_compute import line_weights
from analysis.tables.separate_rows import SETTING_ID

MOST_BETWEEN = np.log(5.0)
"""Budgets of a size that are farther apart in ln C are not interpolated between."""
COVERED = 0.75
"""Least share of the FLOPs at which sizes are compared, for an exponent to rest on them."""


@dataclass(frozen=True)
class DecayedCurve:
    """Final losses of one size along compute: ln L at the FLOPs is ln L of its cells times the weights."""

    n_params: float
    cells: Rows
    """Rows of `cells`, in order of C."""
    weights: Array
    """(cells of the size, FLOPs)."""
    inside: Rows
    """Whether the size was trained on both sides of each FLOP."""

    def at(self, log_loss: Array) -> Array:
        """Ln L (..., FLOPs) from ln L of all cells (..., cells); inf outside."""
        return np.where(self.inside, log_loss[..., self.cells] @ self.weights, np.inf)


def decayed_curves(cells: pd.DataFrame) -> tuple[Array, tuple[DecayedCurve, ...]]:
    """Curves of all sizes that were trained to several budgets.

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`.

    Returns
    -------
    train_flops : array (G,)
        Log-spaced over all budgets.
    curves : tuple of DecayedCurve
        Ascending in N; ln L is a straight line in ln C between the cells of a size.
    """
    log_c = np.log(cells.C.to_numpy(float))
    log_flops = np.linspace(log_c.min(), log_c.max(), N_FLOPS)
    keys = [name for name in ("N", SETTING_ID) if name in cells]
    curves = [
        _curve(float(group["N"].iloc[0]), group.index.to_numpy(), log_c, log_flops)
        for _, group in cells.groupby(keys)
        if len(np.unique(group["C"])) == len(group) > 1
    ]
    return np.exp(log_flops), tuple(curves)


def _curve(n_params: float, own: Rows, log_c: Array, log_flops: Array) -> DecayedCurve:
    own = own[np.argsort(log_c[own], kind="stable")]
    at = log_c[own]
    slack = 1e-9
    inside = (log_flops >= at[0] - slack) & (log_flops <= at[-1] + slack)
    gap = np.diff(at)[np.clip(np.searchsorted(at, log_flops) - 1, 0, len(at) - 2)]
    return DecayedCurve(n_params, own, line_weights(at, log_flops), inside & (gap <= MOST_BETWEEN))


def decayed_envelope(cells: pd.DataFrame) -> tuple[Envelope, tuple[DecayedCurve, ...]] | None:
    """Find the size with the lowest final loss at each compute.

    Returns
    -------
    envelope : Envelope
        Its rows are those of the curves. A FLOP counts only if the sizes next to the best one were trained there too:
        else the best of those that are there is not the best of the ladder.
    curves : tuple of DecayedCurve
        None of both with fewer than `MIN_SIZES` sizes of several budgets, or if less than `COVERED` of the FLOPs count.
    """
    flops, curves = decayed_curves(cells)
    if len(curves) < MIN_SIZES:
        return None
    log_loss = np.stack([curve.at(cells.log_loss.to_numpy()) for curve in curves])
    winner = log_loss.argmin(axis=0)
    kept, reasons = bracketed(np.array([curve.n_params for curve in curves]), log_loss, winner)
    alone = kept & ~_has_neighbours(np.isfinite(log_loss), winner)
    if alone.any():
        reason = "a size next to the best one was not trained on both sides of it"
        reasons = (*reasons, {"what": f"{int(alone.sum())} of {len(flops)} FLOPs", "reason": reason})
    if (kept & ~alone).mean() < COVERED:
        return None
    return Envelope(flops, log_loss, winner, kept & ~alone, reasons, in_last_part=1.0), curves


def _has_neighbours(there: Rows, winner: Rows) -> Rows:
    """Whether the curves just below and above the winner are there, (G,); `there` is (curves, G)."""
    columns, last = np.arange(len(winner)), len(there) - 1
    return there[np.maximum(winner - 1, 0), columns] & there[np.minimum(winner + 1, last), columns]


def winning_sizes(curves: tuple[DecayedCurve, ...], log_loss: Array, kept: Rows) -> Array:
    """Ln N of the lowest size at some of the FLOPs, (K, kept), for every row of ln L of the cells, (K, cells)."""
    lowest = np.full((len(log_loss), len(kept)), np.inf)
    found = np.full(lowest.shape, np.nan)
    for curve in curves:
        there = curve.at(log_loss)[:, kept]
        better = there < lowest
        lowest[better] = there[better]
        found[better] = np.log(curve.n_params)
    return found
