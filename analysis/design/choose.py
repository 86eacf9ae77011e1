"""The seeds of each cell that make a target most precise for a number of FLOPs, and the plain grid to compare with.

Cells have N, D, C, `budget` (a number of its own for each), `so_far` (seeds trained already) and `room` (seeds that may
be added). A budget that is used has so many sizes that a parabola can be drawn through it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.design.precision import Outlook
from analysis.frontier.approach2_isoflop import MIN_SIZES
from analysis.frontier.frontier_line import MIN_BUDGETS
from scaling_harness.errors import UserError

ROUNDS = 40
BETTER = 1e-6  # relative: an exchange that gains less is none


@dataclass(frozen=True)
class _Search:
    outlook: Outlook
    cells: pd.DataFrame
    train_flops: float

    def cost(self, added: Array) -> Array:
        return added @ self.cells["C"].to_numpy(float)

    def totals(self, added_MC: Array) -> Array:
        return self.outlook.totals(self.cells["so_far"].to_numpy(float) + added_MC)

    def allowed(self, added_MC: Array) -> Rows:
        """Whether budgets with new seeds have enough sizes, and there are enough budgets."""
        so_far, budget = self.cells["so_far"].to_numpy(), self.cells["budget"].to_numpy()
        of_budget_CB = (budget[:, None] == np.unique(budget)).astype(float)
        sizes_MB = (so_far + added_MC > 0) @ of_budget_CB
        untouched_MB = added_MC @ of_budget_CB == 0
        return ((sizes_MB >= MIN_SIZES) | untouched_MB).all(1) & ((sizes_MB >= MIN_SIZES).sum(1) >= MIN_BUDGETS)


def choose(outlook: Outlook, cells: pd.DataFrame, train_flops: float) -> Array:
    """Choose the seeds to add to each cell.

    All that may be added is taken, the least worth its FLOPs is left out until the rest is affordable, and then single
    seeds are exchanged as long as that helps.

    Parameters
    ----------
    outlook : Outlook
        Of these cells.
    cells : DataFrame
        See above.
    train_flops : float
        FLOP that may be spent.

    Returns
    -------
    array (C,)

    Raises
    ------
    UserError
        Too few sizes, budgets or FLOPs for any design.
    """
    search = _Search(outlook, cells, train_flops)
    added = cells["room"].to_numpy(float)
    if not search.allowed(added[None])[0]:
        budgets = cells.loc[cells["so_far"] + cells["room"] > 0, "budget"].nunique() if len(cells) else 0
        raise UserError(
            f"a design needs {MIN_BUDGETS} budgets of {MIN_SIZES} sizes, and within these limits there are {budgets}: "
            "widen --band, raise --sizes or --flops, or lower --min-tokens"
        )
    added = _affordable(search, added)
    added = _filled(search, added)
    for _ in range(ROUNDS):
        better = _exchanged(search, added)
        if search.totals(better)[0] > search.totals(added)[0] * (1 - BETTER):
            break
        added = better
    if not added.any():
        raise UserError(_too_few(cells, train_flops))
    return added


def _too_few(cells: pd.DataFrame, train_flops: float) -> str:
    cheapest = cells.loc[cells["room"] > 0, "C"].min()
    return f"{train_flops:.3g} FLOP are too few for a design: its cheapest run takes {cheapest:.3g}"


def _affordable(search: _Search, added: Array) -> Array:
    """Leave out what loses least for the FLOPs that it saves, until the rest is affordable.

    If that ends at few budgets that are too large, the search starts again from the smallest ones.
    """
    budget, all_of_it = search.cells["budget"].to_numpy(), added
    smallest = np.unique(budget[added > 0])[:MIN_BUDGETS]
    for start in (all_of_it, np.where(np.isin(budget, smallest), all_of_it, 0.0)):
        added = start
        while search.cost(added) > search.train_flops:
            less = _without_the_least(search, added)
            if less is None:
                break
            added = less
        else:
            return added
    raise UserError(
        f"{search.train_flops:.3g} FLOP are too few for a design: {MIN_BUDGETS} budgets of {MIN_SIZES} sizes take "
        f"{search.cost(added):.3g}"
    )


def _without_the_least(search: _Search, added: Array) -> Array | None:
    """One seed less of a cell, or a budget less, whichever loses least for its FLOPs; None if none may be left out."""
    budget = search.cells["budget"].to_numpy()
    less_MC = np.array(
        [
            *(added - row for row in np.eye(len(added))[added > 0]),
            *(np.where(budget == each, 0.0, added) for each in np.unique(budget[added > 0])),
        ]
    )
    less_MC = less_MC[search.allowed(less_MC)]
    if not len(less_MC):
        return None
    lost_M = search.totals(less_MC) - search.totals(added)[0]
    return less_MC[(lost_M / (search.cost(added) - search.cost(less_MC))).argmin()]


def _filled(search: _Search, added: Array) -> Array:
    """Seeds added as long as one that is affordable helps."""
    while True:
        more_MC = added + np.eye(len(added))[added < search.cells["room"].to_numpy()]
        more_MC = more_MC[(search.cost(more_MC) <= search.train_flops) & search.allowed(more_MC)]
        totals_M = search.totals(more_MC) if len(more_MC) else np.array([np.inf])
        if totals_M.min() >= search.totals(added)[0]:
            return added
        added = more_MC[totals_M.argmin()]


def _exchanged(search: _Search, added: Array) -> Array:
    """The best exchange of one seed for another that is affordable, its FLOPs that are left spent too."""
    one = np.eye(len(added))
    less_MC, more_MC = -one[added > 0], one[added < search.cells["room"].to_numpy()]
    swapped_MC = added + (less_MC[:, None] + more_MC).reshape(-1, len(added))
    swapped_MC = swapped_MC[search.cost(swapped_MC) <= search.train_flops]
    swapped_MC = swapped_MC[search.allowed(swapped_MC)] if len(swapped_MC) else added[None]
    return _filled(search, swapped_MC[search.totals(swapped_MC).argmin()])


def plain(cells: pd.DataFrame, train_flops: float, largest_first: bool = False) -> Array:
    """The seeds of a plain grid: every size of every budget, once, then again.

    Budgets are all those up to the largest affordable; what is left goes to single cells, beyond those budgets too.

    Parameters
    ----------
    cells : DataFrame
        As for `choose`.
    train_flops : float
        FLOP that may be spent.
    largest_first : bool
        Whether the largest budgets are paid first instead, each as far as it is affordable, once, then again.

    Returns
    -------
    array (C,)
    """
    flops, room = cells["C"].to_numpy(float), cells["room"].to_numpy()
    budget = cells["budget"].to_numpy(float)
    ups = np.unique(budget[room > 0])
    whole = [each for each in ups if flops[(room > 0) & (budget <= each)].sum() <= train_flops]
    order = np.lexsort((flops, budget))
    if largest_first:
        whole = [each for each in ups if flops[(room > 0) & (budget == each)].sum() <= train_flops]
        order = order[::-1]
    added, left = np.zeros(len(cells)), train_flops
    for used in (np.isin(budget, whole), np.ones(len(cells), bool)):
        for k in range(int(room.max(initial=0))):
            for i in order:
                if used[i] and added[i] <= k < room[i] and flops[i] <= left:
                    added[i] += 1
                    left -= flops[i]
    return added
