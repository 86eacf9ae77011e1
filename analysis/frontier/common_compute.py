"""Losses of one budget brought to one C: approach 2 asks which size is best at equal compute, not at nearly equal.

Under another count of N, runs that were laid at one C have as many C as sizes, up to a third apart. Where sizes were
trained at several D, each size's ln L is interpolated along ln D, in straight lines between its own runs, to a C that
as many sizes as possible reach. No law is asked, and nothing is extrapolated.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.frontier.approach2_isoflop import MIN_SIZES, SAME_C, spread_of
from analysis.runs.budgets import budget_groups
from analysis.tables.separate_rows import SETTING_ID


@dataclass(frozen=True)
class CommonCompute:
    """Cells at equal compute within each budget.

    Attributes
    ----------
    cells : DataFrame
        As `replicates.design_cells` gives them; an interpolated one has as many seeds as its variance is worth.
    weights : array (cells, cells given)
        Ln L here is these weights times ln L of the cells given, and so is its noise.
    warnings : tuple of str
        What was interpolated, and a sentence for each budget that could not be.
    """

    cells: pd.DataFrame
    weights: Array
    warnings: tuple[str, ...]


def at_common_compute(cells: pd.DataFrame) -> CommonCompute:
    """Interpolate the budgets in which C varies by more than 2 %; one that cannot be stays as it is.

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`.

    Returns
    -------
    CommonCompute
    """
    same, parts, warnings, levelled = np.eye(len(cells)), [], [], []
    flops = cells.C.to_numpy(float)
    for rows in budget_groups(flops):
        spread = spread_of(flops[rows])
        if spread <= SAME_C:
            parts.append((cells.iloc[rows], same[rows]))
            continue
        target, weights = _interpolated(cells, rows)
        if len(weights) < MIN_SIZES:
            parts.append((cells.iloc[rows], same[rows]))
            words = f"budget {np.exp(np.log(flops[rows]).mean()):.3g}: C varies by {spread:.0%} between its sizes"
            warnings.append(f"{words}, and fewer than {MIN_SIZES} of them were trained on both sides of one C")
            continue
        parts.append((_cells_at(target, cells, weights), weights))
        levelled.append(spread)
    if levelled:
        warnings.append(
            f"C varies by up to {max(levelled):.0%} between the sizes of {len(levelled)} budgets: each size's losses "
            "were interpolated along D to a common C"
        )
    if not warnings:
        return CommonCompute(cells, same, ())
    frame = pd.concat([part for part, _ in parts], ignore_index=True)
    order = np.lexsort((frame.N.to_numpy(), frame.C.to_numpy()))
    every = np.concatenate([weights for _, weights in parts])
    return CommonCompute(frame.iloc[order].reset_index(drop=True), every[order], tuple(warnings))


def _interpolated(cells: pd.DataFrame, rows: Rows) -> tuple[float, Array]:
    """The C that most sizes of a budget reach, near its middle; and the weights of each of those sizes' own cells."""
    keys = [name for name in ("N", SETTING_ID) if name in cells]
    size_of = cells.groupby(keys, sort=False).ngroup().to_numpy()
    own = [np.flatnonzero(size_of == size) for size in pd.unique(size_of[rows])]
    log_c = np.log(cells.C.to_numpy(float))
    low, high = (np.array([end(log_c[each]) for each in own]) for end in (np.min, np.max))
    targets = log_c[rows]
    reached_TS = (targets[:, None] >= low - SAME_C) & (targets[:, None] <= high + SAME_C)
    best = np.lexsort((np.abs(targets - targets.mean()), -reached_TS.sum(axis=1)))[0]
    usable = [each for each, reached in zip(own, reached_TS[best], strict=True) if reached]
    return float(np.exp(targets[best])), np.array([_weights(log_c, each, targets[best]) for each in usable])


def _weights(log_c: Array, own: Rows, target: float) -> Array:
    """Weights of all cells in a straight line through those of one size."""
    weights = np.zeros(len(log_c))
    weights[own] = line_weights(log_c[own], np.array([target]))[:, 0]
    return weights


def line_weights(at: Array, targets: Array) -> Array:
    """Weights of points in straight lines between them, held at the ends.

    Parameters
    ----------
    at : array (n,)
        Where the points are, in any order.
    targets : array (G,)
        Where the lines are read.

    Returns
    -------
    array (n, G)
    """
    order = np.argsort(at, kind="stable")
    return np.stack([np.interp(targets, at[order], unit[order]) for unit in np.eye(len(at))])


def _cells_at(target: float, cells: pd.DataFrame, weights: Array) -> pd.DataFrame:
    """Cells of the sizes that the weights belong to, at one C."""
    first = cells.iloc[weights.argmax(axis=1)]
    log_loss = weights @ cells.log_loss.to_numpy()
    return first.assign(
        D=np.exp(weights @ np.log(cells.D.to_numpy(float))),
        C=target,
        log_loss=log_loss,
        L=np.exp(log_loss),
        n_seeds=1 / (weights**2 @ (1 / cells.n_seeds.to_numpy(float))),
        sd_log=np.nan,
    )
