"""Approach 2 by Akima interpolation instead of a parabola (Porian et al. 2024, section 3 and appendix).

No shape is imposed on L(N): the minimum of each budget is read off an interpolant of ln L in ln N, and the
noise of the losses decides how much each minimum counts in the power law.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.interpolate import Akima1DInterpolator

from analysis.arrays import Array
from analysis.frontier.approach2_isoflop import NEARLY_SAME_C, spread_of, why_none
from analysis.frontier.frontier_line import MIN_BUDGETS, Approach, Drawn, approach_through, empty_approach
from analysis.runs.budgets import budget_groups

NAME = "2 akima"
TOO_WIDE = (
    "interpolated minima jump from size to size: this interval held the truth in 99.5 % or more of simulated sweeps"
)
GRID_PER_CELL = 25
SD_FLOOR_CELLS = 1 / 3
MAX_AT_EDGE = 0.5
MIN_SIZES = 3
NOISE_LOSS_NATS = (3.0, 7.0)
NOISE_SD_NATS = (0.002, 0.05)


@dataclass(frozen=True)
class Minimum:
    """Where one budget's loss is lowest along ln N or ln D.

    Attributes
    ----------
    log_place : float
        Median over the resamples whose minimum is inside the grid.
    sd : float
        Standard deviation of the same resamples, at least a third of a grid cell, divided by their share of all.
    draws : array (K,)
        NaN if the minimum is at the edge.
    loss : float
        Lowest interpolated loss, nats.
    problem : str or None
        Why the minimum cannot be used.
    """

    log_place: float
    sd: float
    draws: Array
    loss: float
    problem: str | None


def porian_noise(loss: Array) -> Array:
    """Standard deviation between seeds, nats: 0.002 at a loss of 3 to 0.05 at 7, a power law between."""
    low, high = np.log(NOISE_LOSS_NATS)
    return np.exp(np.interp(np.log(loss), (low, high), np.log(NOISE_SD_NATS)))


def porian_draws(cells: pd.DataFrame, resamples: int, rng: np.random.Generator) -> Array:
    """Ln L with Porian's noise for every resample, (K, cells)."""
    loss = cells.L.to_numpy()
    noisy = loss + porian_noise(loss) * rng.standard_normal((resamples, len(loss)))
    return np.log(noisy)


def lowest(x: Array, log_loss_Kn: Array) -> tuple[Array, Array, Array]:
    """Place, ln L and whether it is at the edge, of the minimum of the interpolant of each of K sets.

    Parameters
    ----------
    x : array (n,)
        Ascending, distinct.
    log_loss_Kn : array (K, n)
        Ln L of the K sets.
    """
    grid = np.linspace(x[0], x[-1], (len(x) - 1) * GRID_PER_CELL)
    values_GK = Akima1DInterpolator(x, log_loss_Kn.T)(grid)
    at = values_GK.argmin(axis=0)
    return grid[at], values_GK.min(axis=0), (at == 0) | (at == len(grid) - 1)


def minimum(x: Array, log_loss: Array, draws_Kn: Array) -> Minimum:
    """Minimum of one budget along one axis, with its uncertainty or the reason it has none."""
    x, log_loss, draws_Kn = _distinct(x, log_loss, draws_Kn)
    if len(x) < MIN_SIZES:
        nan = float("nan")
        reason = f"{len(x)} sizes, at least {MIN_SIZES} are needed"
        return Minimum(nan, nan, np.full(len(draws_Kn), nan), nan, reason)
    place, low, edge = lowest(x, log_loss[None])
    drawn, _, edge_K = lowest(x, draws_Kn)
    inside = 1 - float(edge_K.mean())
    drawn = np.where(edge_K, np.nan, drawn)
    loss = float(np.exp(low[0]))
    if edge[0] or inside < 1 - MAX_AT_EDGE:
        side = "smallest" if place[0] <= np.median(x) else "largest"
        why = f"minimum at the edge: near the {side} size, in {1 - inside:.0%} of resamples"
        return Minimum(float(place[0]), float("nan"), drawn, loss, why)
    cell = (x[-1] - x[0]) / (len(x) - 1)
    sd = max(float(np.nanstd(drawn)), SD_FLOOR_CELLS * cell) / inside
    return Minimum(float(np.nanmedian(drawn)), sd, drawn, loss, None)


def _distinct(x: Array, log_loss: Array, draws_Kn: Array) -> tuple[Array, Array, Array]:
    """Sorted by x, equal x averaged."""
    values, group = np.unique(x, return_inverse=True)
    mean = np.zeros((len(x), len(values)))
    mean[np.arange(len(x)), group] = 1 / np.bincount(group)[group]
    return values, log_loss @ mean, draws_Kn @ mean


def akima_approach(cells: pd.DataFrame, log_loss_KR: Array) -> Approach:
    """Exponents through interpolated minima, weighted by their own precision.

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`, or `common_compute.at_common_compute`: N, D, C, log_loss.
    log_loss_KR : array (K, cells)
        Resampled ln L: `porian_draws`, or ln L plus the noise seeds show.

    Returns
    -------
    Approach
        ``excluded`` names every budget without a bracketed minimum.
    """
    rows, excluded, log_n, log_d = [], [], [], []
    for group in budget_groups(cells.C.to_numpy()):
        cell, drawn = cells.iloc[group], log_loss_KR[:, group]
        train_flops = float(np.exp(np.log(cell.C).mean()))
        uneven = why_none(cell) if spread_of(cell.C.to_numpy(float)) > NEARLY_SAME_C else None
        along_n, along_d = (minimum(np.log(cell[x].to_numpy()), cell.log_loss.to_numpy(), drawn) for x in ("N", "D"))
        problem = uneven or along_n.problem or along_d.problem
        if problem:
            excluded.append({"what": f"budget {train_flops:.3g} FLOP", "reason": problem})
            continue
        rows.append((train_flops, np.exp(along_n.log_place), np.exp(along_d.log_place), along_n.loss))
        log_n.append(along_n)
        log_d.append(along_d)
    points = pd.DataFrame(rows, columns=["C", "N_opt", "D_opt", "loss"], dtype=float)
    if len(points) < MIN_BUDGETS:
        return empty_approach(NAME, points, excluded, f"{len(points)} budgets with a bracketed minimum")
    return approach_through(NAME, points, _drawn(log_n), _drawn(log_d), excluded, (TOO_WIDE,))


def _drawn(minima: list[Minimum]) -> Drawn:
    """Resamples and weights 1/sd^2 of the minima."""
    return Drawn(np.stack([m.draws for m in minima], axis=1), 1 / np.array([m.sd for m in minima]) ** 2)
