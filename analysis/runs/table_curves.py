"""A table of curves (run, tokens, loss) as runs: their last rows, or all of them at common budgets."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.runs.selection import Runs

N_BUDGETS = 10
MIN_SIZES = 4  # with a loss at the smallest and at the largest budget
MIN_POINTS = 5
MIN_BUDGETS = 3
SAME_BUDGET = 0.15  # relative, as approach 2 groups them

Points = tuple[Array, Array]


def split_curves(runs: Runs) -> tuple[Runs, dict[object, Points]]:
    """Bring the rows of a table of curves to what approaches 1 and 2 read.

    Parameters
    ----------
    runs : Runs
        With ``checkpoints``: several rows a run, N, D, C, L.

    Returns
    -------
    Runs
        The last row of every run where those form budgets; else a row for every run and budget, L interpolated between
        its checkpoints in ln C and ln L.
    dict
        Index of a run's last such row -> tokens and loss along the run.
    """
    frame = runs.frame.sort_values("D", kind="stable")
    by_run = [rows for _, rows in frame.groupby(frame[runs.checkpoints].map(str), sort=False)]
    parts, said = _parts(by_run)
    ends = np.cumsum([len(part) for part in parts]) - 1
    curves: dict[object, Points] = {
        int(end): (rows["D"].to_numpy(float), rows["L"].to_numpy(float))
        for rows, part, end in zip(by_run, parts, ends, strict=True)
        if len(part) and len(rows) >= MIN_POINTS
    }
    note = f"the approaches read {len(by_run)} curves of the table: {said}"
    return replace(runs, frame=pd.concat(parts, ignore_index=True), checkpoints=None, notes=(*runs.notes, note)), curves


def _parts(by_run: list[pd.DataFrame]) -> tuple[list[pd.DataFrame], str]:
    """Rows of every run that stand for it, and in words which."""
    last = [rows.tail(1) for rows in by_run]
    if _has_budgets(np.concatenate([rows["C"].to_numpy(float) for rows in last])):
        return last, "their last rows"
    first = sorted(float(rows["C"].iloc[0]) for rows in by_run)
    final = sorted(float(rows["C"].iloc[0]) for rows in last)
    low, high = first[min(MIN_SIZES, len(first)) - 1], final[-min(MIN_SIZES, len(final))]
    if low >= high:
        return last, "their last rows, for no budget lies within several of them"
    budgets = np.geomspace(low, high, N_BUDGETS)
    said = f"their losses at {N_BUDGETS} budgets from {low:.3g} to {high:.3g} FLOP, between checkpoints"
    return [_interpolated(rows, budgets) for rows in by_run], said


def _has_budgets(train_flops: Array) -> bool:
    """Whether three budgets have sizes enough for a parabola."""
    logs = np.sort(np.log(train_flops))
    groups = np.split(logs, np.flatnonzero(np.diff(logs) > SAME_BUDGET) + 1)
    return sum(len(group) >= MIN_SIZES for group in groups) >= MIN_BUDGETS


def _interpolated(rows: pd.DataFrame, budgets: Array) -> pd.DataFrame:
    log_c, log_loss = np.log(rows["C"].to_numpy(float)), np.log(rows["L"].to_numpy(float))
    inside = np.log(budgets[(budgets >= rows["C"].iloc[0]) & (budgets <= rows["C"].iloc[-1])])
    n_params, last = float(rows["N"].iloc[0]), rows.iloc[-1]
    cost = float(last["C"]) / (n_params * float(last["D"]))
    loss = np.exp(np.interp(inside, log_c, log_loss))
    C = np.exp(inside)
    return pd.DataFrame({"N": n_params, "D": C / (cost * n_params), "C": C, "L": loss, "run": last["run"]})
