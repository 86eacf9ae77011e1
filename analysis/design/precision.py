"""How precise a target will be after runs that are not trained yet, for many grids at once.

The law is linearised at its fit to the runs so far. A cell's mean has the variance of its seeds, and a scatter that its
seeds share; where another form is true, the law's target is off by a known amount, the error of form. C cells, M grids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.design.runs_so_far import SoFar
from analysis.design.target import Target

Z95 = 1.96
RIDGE = 1e-9  # of the trace: a grid that does not identify the law has a huge variance, not an error


@dataclass(frozen=True)
class Expected:
    """What one grid will give.

    Attributes
    ----------
    half_width : float
        Half of the 95 % interval that noise and scatter give the target.
    form_errors : dict of str to float
        Of each form that may be true: the target by the law minus the truth's.
    total : float
        1.96 times the root of the variance and of the mean squared error of form: what a design makes small.
    """

    half_width: float
    form_errors: dict[str, float]
    total: float


@dataclass(frozen=True)
class Outlook:
    """The law linearised on some cells.

    Attributes
    ----------
    slopes_CP : array
        Gradient of ln L.
    gradient_P : array
        Gradient of the target.
    apart_CF, target_F : array
        Ln L of each form that may be true minus the law's, and its target minus the law's.
    forms : tuple of str
    noise, scatter : float
        Of one run, and common to the seeds of a cell.
    """

    slopes_CP: Array
    gradient_P: Array
    apart_CF: Array
    target_F: Array
    forms: tuple[str, ...]
    noise: float
    scatter: float

    @classmethod
    def of(cls, known: SoFar, target: Target, cells: pd.DataFrame) -> "Outlook":
        """Linearise what is known on cells with N, D and C."""
        model, law = known.model_on(cells), known.law
        at = model.evaluate(law.z_P[None])
        apart = [truth.log_loss(cells) - at.log_loss_Kn[0] for truth in known.truths]
        here = target.of(law.law, law.params)
        targets = [target.of(truth.point.law, truth.point.params) - here for truth in known.truths]
        names = tuple(truth.point.law.name for truth in known.truths)
        slopes_CP = model.jacobian(at)[0].T
        apart_CF, target_F = np.stack(apart, 1), np.array(targets, float)
        return cls(slopes_CP, known.gradient(target), apart_CF, target_F, names, known.noise, known.scatter)

    @cached_property
    def _products(self) -> tuple[Array, Array]:
        """Of the slopes with each other and with what the forms differ by, (C, P P) and (C, P F)."""
        P, F = self.slopes_CP.shape[1], self.apart_CF.shape[1]
        products = self.slopes_CP[:, :, None] * self.slopes_CP[:, None, :]
        pulls = self.slopes_CP[:, :, None] * self.apart_CF[:, None, :]
        return products.reshape(-1, P * P), pulls.reshape(-1, P * F)

    def variance_and_errors(self, seeds_MC: Array) -> tuple[Array, Array]:
        """Variance of the target, (M,), and its errors of form, (M, F)."""
        with np.errstate(divide="ignore"):
            weights_MC = 1 / (self.noise**2 / seeds_MC + self.scatter**2 + 1e-30)
        P, F = self.slopes_CP.shape[1], self.apart_CF.shape[1]
        products_CQ, pulls_CQ = self._products
        information = (weights_MC @ products_CQ).reshape(-1, P, P)
        information += RIDGE * np.trace(information, axis1=1, axis2=2)[:, None, None] * np.eye(P)
        influence_MP = np.linalg.solve(information, np.broadcast_to(self.gradient_P[:, None], (len(seeds_MC), P, 1)))
        moved_MF = np.einsum("mp,mpf->mf", influence_MP[..., 0], (weights_MC @ pulls_CQ).reshape(-1, P, F))
        return influence_MP[..., 0] @ self.gradient_P, moved_MF - self.target_F

    def totals(self, seeds_MC: Array) -> Array:
        """`Expected.total` of each grid, (M,)."""
        variance_M, errors_MF = self.variance_and_errors(np.atleast_2d(seeds_MC))
        return Z95 * np.sqrt(variance_M + (errors_MF**2).mean(1))

    def expected(self, seeds: Sequence[float] | Array) -> Expected:
        """What one grid, its seeds of each cell, will give."""
        row = np.asarray(seeds, float)[None]
        variance, errors = self.variance_and_errors(row)
        named = dict(zip(self.forms, errors[0].tolist(), strict=True))
        return Expected(float(Z95 * np.sqrt(variance[0])), named, float(self.totals(row)[0]))
