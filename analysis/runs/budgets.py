"""Runs grouped by their compute."""

import numpy as np

from analysis.arrays import Array, Rows

SAME_BUDGET = 0.15  # relative: budgets closer than this are one (whole steps make them differ a little)


def budget_groups(train_flops: Array, tolerance: float = SAME_BUDGET) -> list[Rows]:
    """Rows of each budget, ascending: a gap in ln C wider than the tolerance starts the next one."""
    order = np.argsort(train_flops, kind="stable")
    gaps = np.diff(np.log(np.asarray(train_flops)[order]))
    return np.split(order, np.flatnonzero(gaps > tolerance) + 1)
