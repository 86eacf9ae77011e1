"""Cells that may be trained next: sizes within a band of the best one at budgets so far and some beyond."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.design.runs_so_far import SoFar
from analysis.frontier.approach2_isoflop import MIN_SIZES
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.runs.budgets import SAME_BUDGET, budget_groups
from scaling_harness.errors import UserError

Sizes = Callable[[Array], pd.DataFrame]
"""Wanted sizes -> the models that there are near them: N, and n_layer and d_model if they are known."""
STEP = 2.0
REACH = 4.0
"""Budgets go up to so many times the largest so far: beyond, nothing says what the laws miss."""
SAME_SIZE = 0.05  # relative: a size this near to one that was trained is no other size


def budgets_to_try(cells: pd.DataFrame, train_flops: float) -> Array:
    """Budgets of the runs so far that have enough sizes, or a ladder from the smallest, and doublings of the largest.

    Parameters
    ----------
    cells : DataFrame
        The runs so far, from `design_cells`.
    train_flops : float
        FLOP that may be spent: no budget is larger.

    Returns
    -------
    array
        In FLOP.

    Raises
    ------
    UserError
        Even the smallest is larger.
    """
    flops = cells["C"].to_numpy(float)
    groups = [rows for rows in budget_groups(flops) if cells["N"].iloc[rows].nunique() >= MIN_SIZES]
    known = [float(f"{flops[rows].mean():.2g}") for rows in groups]
    if not known:
        known = list(float(f"{flops.min():.2g}") * STEP ** np.arange(int(np.log2(flops.max() / flops.min())) + 1))
    more = known[-1] * STEP ** np.arange(1, round(np.log(REACH) / np.log(STEP)) + 1)
    found = np.array([*known, *more])
    if train_flops < found[0]:
        raise UserError(
            f"{train_flops:.3g} FLOP are too few for a design: the smallest budget so far is {found[0]:.3g}"
        )
    return found[found <= train_flops]


def candidate_cells(
    known: SoFar,
    budgets: Sequence[float] | Array,
    sizes_near: Sizes,
    *,
    band: float = 2.4,
    n_sizes: int = 6,
    seeds: int = 4,
    tokens: tuple[float, float] = (0.0, np.inf),
    alone: bool = False,
) -> pd.DataFrame:
    """List the cells of a design: those so far, and those that may be added.

    Parameters
    ----------
    known : SoFar
        Its law says which size is best.
    budgets : sequence of float
        From `budgets_to_try`.
    sizes_near : callable
        See `Sizes`.
    band : float
        Sizes go from the best one over this to the best one times this.
    n_sizes : int
        Sizes of each budget, evenly in ln N.
    seeds : int
        Most seeds of a cell.
    tokens : (float, float)
        Least and most D: below, what the start of training leaves is in the loss; above, tokens repeat.

    alone : bool
        Whether the runs so far only say what to expect, and are no part of the design.

    Returns
    -------
    DataFrame
        N, D, C, n_layer, d_model, budget, so_far and room, as `choose` takes them; budget in FLOP.

    Raises
    ------
    UserError
        No run may be added.
    """
    trained = 0 if alone else known.cells["n_seeds"]
    so_far = known.cells.assign(so_far=trained, room=0, budget=_budget_of(known.cells, budgets))
    if missing := [name for name in ("n_layer", "d_model") if name not in so_far]:
        so_far[missing] = np.nan
    parts = []
    for C in budgets:
        best = float(known.law.law.optimal(known.law.params, C).n_params)
        wanted = best * band ** np.linspace(-1, 1, n_sizes)
        new = sizes_near(wanted).drop_duplicates("N").assign(C=C, budget=C, so_far=0, room=seeds)
        new["D"] = C / (FLOPS_PER_PARAM_TOKEN * new["N"])
        there = so_far.loc[so_far["budget"] == C, "N"].to_numpy(float)
        parts.append(new[[not _near(n, there) for n in new["N"]]])
        again = (so_far["budget"] == C) & so_far["N"].between(best / band * 0.99, best * band * 1.01)
        so_far.loc[again, "room"] = np.maximum(0, seeds - so_far.loc[again, "so_far"])
    cells = pd.concat([so_far, *parts], ignore_index=True)
    cells.loc[~cells["D"].between(tokens[0] * 0.99, tokens[1]), "room"] = 0
    cells = cells.loc[(cells["room"] > 0) | (cells["so_far"] > 0)]
    sizes = cells["budget"].map(cells.groupby("budget")["N"].nunique())
    cells = cells.assign(room=np.where(sizes < MIN_SIZES, 0, cells["room"]))
    if not (cells["room"] > 0).any():
        raise UserError(
            f"no budget has {MIN_SIZES} sizes within these limits: widen --band, raise --sizes, --seeds or --flops, or "
            "lower --min-tokens"
        )
    return cells.loc[(cells["room"] > 0) | (cells["so_far"] > 0)].reset_index(drop=True)


def _near(n: float, there: Array) -> bool:
    return bool((np.abs(np.log(there / n)) < SAME_SIZE).any())


def _budget_of(cells: pd.DataFrame, budgets: Sequence[float] | Array) -> Array:
    """The budget of each cell so far; its own C if it has none."""
    flops = cells["C"].to_numpy(float)
    apart = np.abs(np.log(flops[:, None] / np.asarray(budgets, float)))
    return np.where(apart.min(1) < SAME_BUDGET, np.asarray(budgets, float)[apart.argmin(1)], flops)
