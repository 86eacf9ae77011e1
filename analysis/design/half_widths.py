"""What half-widths a planned grid will give, calculated before anything is trained.

Losses of the planned cells are those of a law fitted to earlier runs and what each of their budgets missed it by. Seeds
differ by fixed amounts of the size of the noise of the earlier runs. The three approaches then give their intervals as
they would for trained runs, widened by the misfit that they meet, and how far their exponents are from the law's own is
the error of their form on this grid.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.result import FitResult
from analysis.frontier.approaches import three_approaches
from analysis.laws.chinchilla import skaling, tied
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs
from analysis.runs.trunk_effect import trunk_effect


@dataclass(frozen=True)
class Predicted:
    """What one truth leads to expect of a grid.

    Attributes
    ----------
    law : str
        The truth.
    a : float
        Its exponent.
    half_widths, errors : mapping of str to float
        By approach: half of the 95 % interval of a, and a minus the truth's.
    """

    law: str
    a: float
    half_widths: Mapping[str, float]
    errors: Mapping[str, float]

    def row(self) -> dict[str, str]:
        """As a row of a table."""
        widths = {f"half-width, approach {name}": f"{width:.3f}" for name, width in self.half_widths.items()}
        errors = {f"error of form, {name}": f"{error:+.3f}" for name, error in self.errors.items()}
        return {"if the law is": self.law, "a": f"{self.a:.3f}", **widths, **errors}


def grid_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """N, D, seed and trunk of every planned run that is no trunk itself.

    Parameters
    ----------
    rows : iterable of mapping
        run_id, n_params_with_head, n_tokens, seed and trunk, as `sweep plan --json` lists them.
    """
    planned = pd.DataFrame(rows)
    branches = planned[~planned["run_id"].isin(list(planned["trunk"]))]
    columns = {"N": "n_params_with_head", "D": "n_tokens", "seed": "seed", "trunk": "trunk"}
    return pd.DataFrame({name: list(branches[column]) for name, column in columns.items()})


@dataclass(frozen=True)
class Earlier:
    """What earlier runs tell of runs that are planned.

    Attributes
    ----------
    laws : tuple of FitResult
        Chinchilla's, Skaling's and the tied law.
    misfits : tuple of (array, array)
        Of each law, ln C of every budget and the mean of ln L minus the law's there.
    noise : float or None
        Standard deviation of ln L between seeds; None if no cell has two.
    share : float
        Of its variance, what branches of one trunk have in common.
    """

    laws: tuple[FitResult, ...]
    misfits: tuple[tuple[Array, Array], ...]
    noise: float | None
    share: float


def earlier_runs(runs: Runs) -> Earlier:
    """Fit the laws of earlier runs, and measure their noise and what they miss the laws by."""
    found = three_approaches(runs, beside=(skaling, tied), curves={}, resamples=2)
    shared = trunk_effect(runs.frame)
    laws = (found.parametric, *found.beside.values())
    misfits = tuple(misfit_by_budget(runs.frame, law) for law in laws)
    return Earlier(laws, misfits, found.noise.sd if found.noise else None, shared.share if shared else 0.0)


def misfit_by_budget(frame: pd.DataFrame, law: FitResult) -> tuple[Array, Array]:
    """Ln C of every budget of the runs, and the mean of ln L minus the law's over its cells."""
    cells = design_cells(frame)
    missed = np.log(cells["L"].to_numpy()) - np.log(law.law.predict(law.values, N=cells["N"], D=cells["D"]))
    ln_c = np.log(cells["C"].to_numpy(float)).round(1)  # cells of one budget differ in C by less than a step
    budgets, at = np.unique(ln_c, return_inverse=True)
    return budgets, np.bincount(at, missed) / np.bincount(at)


def predict_half_widths(
    grid: pd.DataFrame,
    truth: FitResult,
    noise: float,
    share: float = 0.0,
    resamples: int = 500,
    misfit: tuple[Array, Array] | None = None,
) -> Predicted:
    """Calculate the intervals of a on a planned grid.

    Parameters
    ----------
    grid : DataFrame
        N, D, seed and trunk (or None) of every planned run.
    truth : FitResult
        A law of N and D.
    noise : float
        Standard deviation of ln L between seeds.
    share : float
        Of its variance, what branches of one trunk have in common; see `trunk_effect.TrunkEffect`.
    resamples : int
        Noise draws.
    misfit : (array, array), optional
        Ln C and what ln L misses the law by there, taken as linear between and as constant beyond; see `Earlier`.

    Returns
    -------
    Predicted
    """
    inputs = {name: grid[name].to_numpy(float) for name in ("N", "D")}
    frame = grid.assign(C=FLOPS_PER_PARAM_TOKEN * inputs["N"] * inputs["D"])
    missed = np.interp(np.log(frame["C"]), *misfit) if misfit else 0.0
    frame["L"] = truth.law.predict(truth.values, **inputs) * np.exp(noise * seed_pattern(grid, share) + missed)
    found = three_approaches(Runs(frame, columns={"N": "N", "D": "D", "L": "L"}), curves={}, resamples=resamples)
    true_a = truth.derived["a"].value
    each = found.approaches.items()
    widths = {name: (one.a.ci95[1] - one.a.ci95[0]) / 2 for name, one in each if one.a.ci95}
    return Predicted(truth.law.name, true_a, widths, {name: one.a.value - true_a for name, one in each})


def seed_pattern(grid: pd.DataFrame, share: float) -> Array:
    """Deviations of every run from its cell's mean, of unit variance, a share of it common to a size and seed.

    They are fixed, so that means are exact and, where there are trunks, both mean squares of `trunk_effect` are what
    they should be. A budget with a single seed shows no spread.
    """
    grid = grid.reset_index(drop=True)
    found, branched = np.zeros(len(grid)), bool(grid["trunk"].notna().any())
    for _, size in grid.groupby("N"):
        cells = [cell.index for _, cell in size.groupby("D") if len(cell) > 1]
        spreads = _spread_of_branches(len(cells), share) if branched else np.ones(len(cells))
        for rows, spread in zip(cells, spreads, strict=True):
            found[rows] = _unit(np.arange(float(len(rows))), len(rows) - 1) * spread
    return found


def _spread_of_branches(n: int, share: float) -> Array:
    """Spread of the seeds at each of n budgets of a size: a common part, and one of alternating sign."""
    own = _unit(np.where(np.arange(n) % 2, 1.0, -1.0), n) * np.sqrt((1 - share) * (n - 1) / max(n, 1))
    return np.sqrt(share + (1 - share) / max(n, 1)) + own


def _unit(steps: Array, over: int) -> Array:
    """Shift and scale numbers to mean 0 and a sum of squares of ``over``; zeros if they are all the same."""
    apart = steps - steps.mean()
    size = np.sqrt((apart**2).sum())
    return apart / size * np.sqrt(over) if size else apart
