"""What the runs so far tell of runs to come: laws, what each of them misses, and noise."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.design.target import Target
from analysis.fitting.goodness_of_fit import law_point
from analysis.fitting.identifiability import check_rows
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import Point
from analysis.laws.batched_law import PowerSum, on_rows
from analysis.laws.chinchilla import chinchilla, skaling, tied
from analysis.laws.law import Law
from analysis.runs.replicates import design_cells, seed_noise
from scaling_harness.errors import UserError

FITTED: dict[str, Law] = {law.name: law for law in (chinchilla, skaling)}
"""Laws that a design can be for, by name."""
FORMS = (chinchilla, skaling, tied)


@dataclass(frozen=True)
class Truth:
    """What may be true: a law, and what each budget misses it by.

    Attributes
    ----------
    point : Point
        The law, fitted.
    ln_c, missed : array
        Ln C of every budget so far, and the mean of ln L minus the law's there.
    """

    point: Point
    ln_c: Array
    missed: Array

    def log_loss(self, cells: pd.DataFrame) -> Array:
        """Ln L of cells; what it misses is linear between budgets and constant beyond."""
        law = self.point.law
        predicted = np.log(law.predict(self.point.params, **{name: cells[name].to_numpy(float) for name in law.inputs}))
        return predicted + np.interp(np.log(cells["C"].to_numpy(float)), self.ln_c, self.missed)


@dataclass(frozen=True)
class SoFar:
    """What the runs so far tell.

    Attributes
    ----------
    cells : DataFrame
        From `design_cells`.
    law : Point
        The law that will be fitted, as these runs have it.
    truths : tuple of Truth
        What may be true.
    noise : float
        Standard deviation of ln L between seeds.
    scatter : float
        That of cells about the best of the truths beyond what seeds explain: more seeds do not average it out.
    """

    cells: pd.DataFrame
    law: Point
    truths: tuple[Truth, ...]
    noise: float
    scatter: float

    def model_on(self, cells: pd.DataFrame) -> PowerSum:
        """The law on other cells, in the same internal parameters."""
        return on_rows(self.law.law, {name: cells[name].to_numpy(float) for name in "ND"}, self.law.model.centre)

    def gradient(self, target: Target) -> Array:
        """Of the target by the law's internal parameters, by central differences."""
        steps = 1e-5 * np.eye(len(self.law.z_P))
        ends = [target.of(self.law.law, self.law.model.to_natural(self.law.z_P + sign * steps)) for sign in (1.0, -1.0)]
        return (ends[0] - ends[1]) / 2e-5


def cells_with_shapes(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of runs, with the shape of each size if it is known (n_layer, d_model)."""
    cells = design_cells(frame)
    shapes = [name for name in ("n_layer", "d_model") if name in frame]
    return cells.merge(frame.groupby("N", as_index=False)[shapes].first(), on="N") if shapes else cells


def runs_so_far(cells: pd.DataFrame, law: Law = chinchilla, noise: float | None = None) -> SoFar:
    """Fit the declared forms to the runs so far.

    Parameters
    ----------
    cells : DataFrame
        From `design_cells`.
    law : Law
        What is to be fitted to the runs of the design, one of `FITTED`.
    noise : float, optional
        Standard deviation of ln L between seeds; that of these cells by default.

    Raises
    ------
    UserError
        Too few cells for a law, or neither a noise nor a cell with two seeds.
    """
    spread = seed_noise(cells)
    if noise is None and spread is None:
        raise UserError("no cell of N and D has two seeds, so that the noise is unknown: give --noise")
    sd = float(noise if noise is not None else spread.sd if spread else 0.0)
    points = {form.name: _point(form, cells) for form in FORMS}
    truths = tuple(_truth(point, cells) for point in points.values())
    return SoFar(cells, points[law.name], truths, sd, min(_scatter(truth, cells, sd) for truth in truths))


def _point(law: Law, cells: pd.DataFrame) -> Point:
    check_rows(law, {name: cells[name].to_numpy() for name in law.inputs}, cells["L"].to_numpy())
    return law_point(law, cells, Objective())


def _truth(point: Point, cells: pd.DataFrame) -> Truth:
    missed = point.residuals
    ln_c = np.log(cells["C"].to_numpy(float)).round(1)  # cells of one budget differ in C by less than a step
    budgets, at = np.unique(ln_c, return_inverse=True)
    return Truth(point, budgets, np.bincount(at, missed) / np.bincount(at))


def _scatter(truth: Truth, cells: pd.DataFrame, noise: float) -> float:
    """Root of what the variance about a truth has above that of seeds."""
    residuals = cells["log_loss"].to_numpy() - truth.log_loss(cells)
    dof = max(1, len(cells) - truth.point.law.n_free - len(truth.ln_c))
    return float(np.sqrt(max(0.0, (residuals**2).sum() / dof - (noise**2 / cells["n_seeds"]).mean())))
