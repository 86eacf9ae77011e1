"""Approach 1: the lower envelope of training curves (Hoffmann et al. 2022, section 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.laws.cost_model import SIX_ND, CostModel
from analysis.runs.curves import Points
from analysis.runs.selection import Runs

N_FLOPS = 1500
MIN_SIZES = 4
END_OF_RUN = 0.15


@dataclass(frozen=True)
class Envelope:
    """Which cell has the lowest loss at each compute.

    Attributes
    ----------
    train_flops : array (G,)
        Log-spaced, from the smallest to the largest budget of a run.
    log_loss : array (cells, G)
        ln L of every cell's curve; inf if the run has not begun or is over.
    winner : array (G,)
        Row of the cell with the lowest loss.
    kept : bool array (G,)
        Where that cell is neither the smallest nor the largest there is to choose from.
    reasons : tuple of {"what", "reason"}
        Why the others are not kept.
    in_last_part : float
        Share of kept points in the last 15 % of their run.
    """

    train_flops: Array
    log_loss: Array
    winner: Rows
    kept: Rows
    reasons: tuple[dict[str, str], ...]
    in_last_part: float

    @property
    def on_hull(self) -> Rows:
        """Kept FLOPs at which the envelope touches its lower hull in ln C and ln L."""
        kept = np.flatnonzero(self.kept)
        return kept[lower_hull(np.log(self.train_flops[kept]), self.log_loss[self.winner[kept], kept])]


def lower_hull(x: Array, y: Array) -> Rows:
    """Rows of the points on the lower convex hull, x ascending (Andrew's monotone chain)."""
    hull: list[int] = []
    for i in range(len(x)):
        while len(hull) > 1 and _turns_down(x, y, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    return np.array(hull, int)


def _turns_down(x: Array, y: Array, i: int, j: int, k: int) -> bool:
    """Whether point j lies on or above the line from i to k."""
    return (y[j] - y[i]) * (x[k] - x[i]) >= (y[k] - y[i]) * (x[j] - x[i])


def build(runs: Runs, cells: pd.DataFrame, curves: Mapping[object, Points], cost: CostModel = SIX_ND) -> Envelope:
    """Interpolate all curves in log-log at common FLOPs and find the lowest.

    Parameters
    ----------
    runs : Runs
        Their N turns tokens into FLOPs.
    cells : DataFrame
        From `design_cells`: the curves of a cell's seeds are averaged in ln L.
    curves : mapping
        From `curves_of`.
    cost : CostModel
        FLOPs of N and tokens.
    """
    log_flops = np.linspace(np.log(cells.C.min()), np.log(cells.C.max()), N_FLOPS)
    log_loss = np.full((len(cells), N_FLOPS), np.inf)
    members = {key: list(group.index) for key, group in runs.frame.groupby(["N", "D"])}
    for i, (n_params, n_tokens) in enumerate(zip(cells.N, cells.D, strict=True)):
        there = [curves[index] for index in members[n_params, n_tokens] if index in curves]
        if there:
            log_loss[i] = np.mean([_on_grid(cost, points, n_params, log_flops) for points in there], axis=0)
    winner = log_loss.argmin(axis=0)
    kept, reasons = bracketed(cells.N.to_numpy(), log_loss, winner)
    progress = np.exp(log_flops - np.log(cells.C.to_numpy())[winner])[kept]
    late = float((progress >= 1 - END_OF_RUN).mean()) if kept.any() else float("nan")
    return Envelope(np.exp(log_flops), log_loss, winner, kept, reasons, late)


def _on_grid(cost: CostModel, points: Points, n_params: float, log_flops: Array) -> Array:
    """Ln L at the FLOPs, interpolated in log-log; inf outside the run."""
    log_c, log_loss = np.log(cost.flops(n_params, points[0])), np.log(points[1])
    slack = 1e-9  # the last point of the longest run is the end of the grid
    inside = (log_flops >= log_c[0] - slack) & (log_flops <= log_c[-1] + slack)
    return np.where(inside, np.interp(log_flops, log_c, log_loss), np.inf)


def bracketed(n_params: Array, log_loss: Array, winner: Rows) -> tuple[Rows, tuple[dict[str, str], ...]]:
    """Keep the FLOPs at which smaller and larger sizes lose to the winner."""
    there = np.isfinite(log_loss)
    sizes = np.where(there, n_params[:, None], np.nan)
    few = np.array([len(np.unique(column[~np.isnan(column)])) < MIN_SIZES for column in sizes.T])
    smallest = np.where(there, sizes, np.inf).min(axis=0)
    largest = np.where(there, sizes, -np.inf).max(axis=0)
    best = n_params[winner]
    failures = {
        f"fewer than {MIN_SIZES} sizes have a curve there": few,
        "minimum at the edge: the smallest size has the lowest loss": ~few & (best <= smallest),
        "minimum at the edge: the largest size has the lowest loss": ~few & (best >= largest),
    }
    reasons = tuple(
        {"what": f"{int(mask.sum())} of {len(mask)} FLOPs", "reason": reason}
        for reason, mask in failures.items()
        if mask.any()
    )
    return ~np.any(list(failures.values()), axis=0), reasons
