"""Designs tried on runs that there are, trained or simulated: waves, each planned from the runs before it.

A rule takes runs out of a pool, wave by wave, and sees no loss that it has not taken. At equal FLOPs the designs stand
beside two plain grids, and every target beside that of the whole pool, or of the truth.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.design.choose import choose, plain
from analysis.design.precision import Outlook
from analysis.design.runs_so_far import SoFar, Truth, runs_so_far
from analysis.design.target import Target
from analysis.laws.chinchilla import chinchilla
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN, Law
from analysis.runs.budgets import budget_groups
from analysis.runs.replicates import design_cells
from scaling_harness.errors import UserError

Rule = Callable[[Outlook, pd.DataFrame, float], Array]
RULES: Mapping[str, Rule] = {
    "design": choose,
    "plain grid, all budgets": lambda _, cells, flops: plain(cells, flops),
    "plain grid, largest first": lambda _, cells, flops: plain(cells, flops, largest_first=True),
}
PILOT_BUDGETS = 3


@dataclass(frozen=True)
class Wave:
    """What is known after some waves.

    Attributes
    ----------
    spent_flops : float
        Of all runs taken.
    n_runs : int
    value : float
        The target by the law.
    total : float
        Half-width that the calculation gives it, errors of form included; see `precision.Expected`.
    """

    spent_flops: float
    n_runs: int
    value: float
    total: float


@dataclass(frozen=True)
class Task:
    """What is to be found out, with which law, in how many waves of how many FLOPs."""

    target: Target
    wave_flops: float
    n_waves: int
    law: Law = chinchilla
    tolerance: float = 0.0
    """Half-width at which the waves end."""


def pilot_of(pool: pd.DataFrame, n_budgets: int = PILOT_BUDGETS) -> Rows:
    """Which runs of a pool are there before any wave: those of the smallest budgets, True or False each.

    Raises
    ------
    UserError
        The pool has no budget beyond.
    """
    groups = budget_groups(pool["C"].to_numpy(float))
    if len(groups) <= n_budgets:
        raise UserError(
            f"the runs have {len(groups)} budgets, and the {n_budgets} smallest are the pilot: none is left"
        )
    first = np.zeros(len(pool), bool)
    first[np.concatenate(groups[:n_budgets])] = True
    return first


def replay(pool: pd.DataFrame, first: Rows, task: Task, rule: Rule) -> Iterator[Wave]:
    """Take waves of runs from a pool by a rule.

    Parameters
    ----------
    pool : DataFrame
        N, D, C and L of every run that may be taken.
    first : array of bool
        Runs that are there before any wave.
    task : Task
        What is to be found out.
    rule : callable
        One of `RULES`.

    Yields
    ------
    Wave
        Before the first wave and after each; none after the tolerance is met or the pool is empty. What a wave leaves
        unspent the next one has.
    """
    budget = np.zeros(len(pool))
    for rows in budget_groups(pool["C"].to_numpy(float)):
        budget[rows] = pool["C"].iloc[rows].mean()
    pool, taken = pool.assign(budget=budget), np.array(first, bool)
    flops = pool["C"].to_numpy(float)
    start = float(flops[taken].sum())
    for wave in range(task.n_waves + 1):
        known = runs_so_far(design_cells(pool.loc[taken]), task.law)
        cells = _cells(pool, taken)
        outlook = Outlook.of(known, task.target, cells)
        total = outlook.expected(cells["so_far"].to_numpy(float)).total
        yield Wave(float(flops[taken].sum()), int(taken.sum()), _value(known, task.target), total)
        if wave == task.n_waves or total <= task.tolerance or taken.all():
            return
        unspent = start + (wave + 1) * task.wave_flops - flops[taken].sum()
        try:
            added = rule(outlook, cells, unspent)
        except UserError:  # too few FLOPs for any design: they are kept for the next wave
            continue
        taken = taken | _runs_of(pool, taken, cells.assign(added=added))


def _value(known: SoFar, target: Target) -> float:
    return float(target.of(known.law.law, known.law.params))


def _cells(pool: pd.DataFrame, taken: Rows) -> pd.DataFrame:
    """The cells of a pool, with the number of runs that are taken and that may be."""
    grouped = pool.assign(so_far=taken, room=~taken).groupby(["N", "D"], as_index=False)
    cells = grouped.agg(C=("C", "mean"), budget=("budget", "first"), so_far=("so_far", "sum"), room=("room", "sum"))
    return cells.astype(float)


def _runs_of(pool: pd.DataFrame, taken: Rows, cells: pd.DataFrame) -> Rows:
    """The next runs of each cell, as many as are added."""
    wanted = pool[["N", "D"]].merge(cells, on=["N", "D"], how="left")["added"].to_numpy()
    place = pool.assign(free=~taken).groupby(["N", "D"])["free"].cumsum().to_numpy()
    return ~taken & (place <= wanted)


def trained(pool: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Each rule on runs that were trained, beside the target of all of them.

    Returns
    -------
    DataFrame
        rule, wave, flops, runs, value, total, and error: the value minus that of all runs.
    """
    whole = _value(runs_so_far(design_cells(pool), task.law), task.target)
    first = pilot_of(pool)
    rows = [
        {"rule": name, "wave": k, **vars(wave), "error": wave.value - whole}
        for name, rule in RULES.items()
        for k, wave in enumerate(replay(pool, first, task, rule))
    ]
    return pd.DataFrame(rows)


def simulated(pool: pd.DataFrame, known: SoFar, task: Task, n_sweeps: int, seed: int = 0) -> pd.DataFrame:
    """Each rule on sweeps drawn from each of the forms that may be true.

    Parameters
    ----------
    pool : DataFrame
        N, D and C of every run that may be taken.
    known : SoFar
        Where the truths, their noise and their scatter are from.
    task : Task
        What is to be found out.
    n_sweeps : int
        Of each truth.
    seed : int
        Of the draws; all rules see the same.

    Returns
    -------
    DataFrame
        truth, rule, wave: the mean FLOPs, the root mean square error, its mean calculated half-width (total) and the
        share of sweeps whose error is within it (held).
    """
    rows = []
    for truth in known.truths:
        rng = np.random.default_rng([seed, *truth.point.law.name.encode()])
        aim = float(task.target.of(truth.point.law, truth.point.params))
        for _ in range(n_sweeps):
            drawn = pool.assign(L=np.exp(truth.log_loss(pool) + _noise(pool, known, rng)))
            rows += [
                {"truth": truth.point.law.name, "rule": name, "wave": k, **vars(wave), "error": wave.value - aim}
                for name, rule in RULES.items()
                for k, wave in enumerate(replay(drawn, pilot_of(pool), task, rule))
            ]
    frame = pd.DataFrame(rows)
    frame["held"] = frame["error"].abs() <= frame["total"]
    frame["squared"] = frame["error"] ** 2
    found = frame.groupby(["truth", "rule", "wave"], sort=False, as_index=False)
    scores = found.agg(
        spent_flops=("spent_flops", "mean"), rmse=("squared", "mean"), total=("total", "mean"), held=("held", "mean")
    )
    return scores.assign(rmse=np.sqrt(scores["rmse"]))


def _noise(pool: pd.DataFrame, known: SoFar, rng: np.random.Generator) -> Array:
    """Of every run its own, and of every cell one that its runs share."""
    cell = pool.groupby(["N", "D"]).ngroup().to_numpy()
    shared = known.scatter * rng.standard_normal(cell.max() + 1)
    return shared[cell] + known.noise * rng.standard_normal(len(pool))


def full_pool(
    truth: Truth, budgets: Sequence[float] | Array, band: float = 2.4, n_sizes: int = 6, seeds: int = 4
) -> pd.DataFrame:
    """Every run of every size in the band of every budget: what a simulated design may choose from."""
    C = np.repeat(np.asarray(budgets, float), n_sizes * seeds)
    steps = np.tile(np.repeat(np.linspace(-1, 1, n_sizes), seeds), len(budgets))
    N = truth.point.law.optimal(truth.point.params, C).n_params * band**steps
    labels = np.tile(np.arange(seeds), len(budgets) * n_sizes)
    return pd.DataFrame({"N": N, "D": C / (FLOPS_PER_PARAM_TOKEN * N), "C": C, "seed": labels})
