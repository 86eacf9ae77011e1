"""Which approaches a planned grid can feed, before anything is trained."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.frontier import approach1_envelope as envelope
from analysis.frontier import approach2_isoflop as isoflop
from analysis.frontier.frontier_line import MIN_BUDGETS
from analysis.laws.chinchilla import chinchilla
from analysis.runs.budgets import budget_groups


def feeds(grid: pd.DataFrame) -> dict[str, str]:
    """Say of each approach whether the runs of a grid are enough for it, and of the noise whether it can be known.

    Parameters
    ----------
    grid : DataFrame
        N, D, C and seed of every planned run.

    Returns
    -------
    dict of str to str
        "approach 1" to "approach 3" and "seed noise": "yes", with what they get, or "no", with what they lack.
        A minimum at the edge of the grid shows only after training.
    """
    checks: dict[str, Callable[[pd.DataFrame], str]] = {
        "approach 1": _first,
        "approach 2": _second,
        "approach 3": _third,
        "seed noise": _noise,
    }
    return {name: check(grid) for name, check in checks.items()}


def _first(grid: pd.DataFrame) -> str:
    sizes = len(np.unique(grid["N"]))
    if sizes < envelope.MIN_SIZES:
        return f"no: {sizes} {_plural('size', sizes)}, it needs {envelope.MIN_SIZES}"
    return f"yes: curves of {sizes} sizes"


def _second(grid: pd.DataFrame) -> str:
    sizes = [grid.iloc[rows]["N"].nunique() for rows in budget_groups(grid["C"].to_numpy(float))]
    enough = [n for n in sizes if n >= isoflop.MIN_SIZES]
    if len(enough) >= MIN_BUDGETS:
        few = min(enough) < isoflop.ENOUGH_SIZES
        weak = f", with as few as {min(enough)} sizes ({isoflop.ENOUGH_SIZES} are better)" if few else ""
        return f"yes: {len(enough)} of {len(sizes)} budgets{weak}"
    most = max(sizes, default=0)
    return (
        f"no: {len(enough)} {_plural('budget', len(enough))} with {isoflop.MIN_SIZES} sizes, it needs {MIN_BUDGETS} "
        f"(most sizes at one budget: {most})"
    )


def _third(grid: pd.DataFrame) -> str:
    cells = grid.groupby(["N", "D"]).ngroups
    values = {name: len(np.unique(grid[name])) for name in ("N", "D")}
    lacks = [f"{n} {_plural('value', n)} of {name}" for name, n in values.items() if n < MIN_BUDGETS]
    if cells <= chinchilla.n_free:
        return f"no: {cells} {_plural('cell', cells)} of N and D, it needs more than {chinchilla.n_free} parameters"
    if lacks:
        return f"no: {' and '.join(lacks)}, it needs {MIN_BUDGETS}"
    return f"yes: {cells} cells of N and D"


def _noise(grid: pd.DataFrame) -> str:
    several = int(np.sum(grid.groupby(["N", "D"])["seed"].nunique() > 1))
    return f"yes: {several} cells with several seeds" if several else "no: no cell of N and D has two seeds"


def _plural(word: str, n: int) -> str:
    return word if n == 1 else word + "s"
