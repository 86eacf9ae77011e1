"""Leave cells out, each in turn or k parts of them, and predict them.

Runs of one design cell, such as its seeds, are left out together: a fit that has seen one seed has seen the others.
What is left out lies among what is fitted, so that these errors say nothing of an extrapolation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.fitting.objective import LEAST_SQUARES, Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.laws.law import Law
from analysis.to_json import document
from scaling_harness.errors import HarnessError, UserError

FOLDS = 10  # as Rosenfeld et al. 2020
MOST_CELLS = 1000  # more: each alone would take long, and k parts say the same


@dataclass(frozen=True)
class LeftOut:
    """Errors L_hat / L - 1 of runs that were left out.

    Attributes
    ----------
    parts : int
        How many parts were left out in turn.
    mean, sd, rms : float
        Of the errors; Rosenfeld et al. print the first two.
    not_converged : int
        Parts without which the fit found no optimum: the rest does not hold the law.
    """

    parts: int
    mean: float
    sd: float
    rms: float
    not_converged: int


@dataclass(frozen=True)
class CrossValidation:
    """What a law misses of runs that it has seen, and of those that it has not.

    Attributes
    ----------
    law : str
    n_cells : int
        Design cells, rows of equal inputs.
    fitted_rms : float
        Root mean square error of the fit on all runs.
    folds : LeftOut
    leave_one_out : LeftOut or None
        Each cell alone; None if there are very many.
    """

    law: str
    n_cells: int
    fitted_rms: float
    folds: LeftOut
    leave_one_out: LeftOut | None

    def sentence(self) -> str:
        """The errors in words."""
        each = [(f"{self.folds.parts} parts left out in turn", self.folds)]
        each += [("each cell in turn", self.leave_one_out)] if self.leave_one_out else []
        said = "; ".join(
            f"{words} {left.rms:.3%} (mean {left.mean:+.3%}, sd {left.sd:.3%})"
            + (f", {left.not_converged} of {left.parts} fits without an optimum" if left.not_converged else "")
            for words, left in each
        )
        return f"rms error over {self.n_cells} cells: fitted {self.fitted_rms:.3%}; {said}"


@document.register
def _(found: CrossValidation) -> dict[str, Any]:
    names = ("law", "n_cells", "fitted_rms", "folds", "leave_one_out")
    return {**{name: getattr(found, name) for name in names}, "sentence": found.sentence()}


def cross_validate(
    frame: pd.DataFrame,
    law: Law,
    *,
    folds: int = FOLDS,
    objective: Objective = LEAST_SQUARES,
    weights: Array | None = None,
    seed: int = 0,
) -> CrossValidation:
    """Leave parts of the cells out, fit the rest, and predict them.

    Parameters
    ----------
    frame : DataFrame
        Inputs of the law and what it predicts, one row a run.
    law : Law
        What is fitted.
    folds : int
        Parts of nearly equal size; as many as there are cells if there are fewer.
    objective : Objective
        What every fit minimises.
    weights : array (n,), optional
        Weight of each row.
    seed : int
        Of the shuffle that makes the parts.

    Returns
    -------
    CrossValidation

    Raises
    ------
    UserError
        Fewer than two folds.
    HarnessError
        Too few cells to leave one out.
    """
    if folds < 2:
        raise UserError(f"folds is {folds}: give 2 or more, {FOLDS} is usual")
    inputs = {name: frame[name].to_numpy(float) for name in law.inputs}
    cell_n = frame.groupby(list(law.inputs), sort=False).ngroup().to_numpy()
    n_cells = int(cell_n.max()) + 1
    if n_cells <= law.n_free + 1:
        raise HarnessError(
            f"{n_cells} cells are too few to leave one out of a fit of {law.n_free} parameters: "
            f"give at least {law.n_free + 2}"
        )
    point = fit_point(law, inputs, frame[law.predicts].to_numpy(float), objective, weights)
    of_cell = np.random.default_rng(seed).permutation(n_cells) % min(folds, n_cells)
    alone = _left_out(point, cell_n) if n_cells <= MOST_CELLS else None
    return CrossValidation(law.name, n_cells, _rms(_errors(point.residuals)), _left_out(point, of_cell[cell_n]), alone)


def _left_out(point: Point, part_n: Rows) -> LeftOut:
    """Errors of every row by the fit without its part."""
    parts = int(part_n.max()) + 1
    kept_Kn = point.weights * (part_n != np.arange(parts)[:, None])
    solution = point.refit(weights=kept_Kn)
    log_loss_Kn = point.model.evaluate(solution.z_KP).log_loss_Kn
    errors = _errors(point.log_loss - log_loss_Kn[part_n, np.arange(point.n_rows)])
    lost = int((~solution.converged_K).sum())
    return LeftOut(parts, float(errors.mean()), float(errors.std(ddof=1)), _rms(errors), lost)


def _errors(residuals: Array) -> Array:
    """L_hat / L - 1 of ln L - ln L_hat."""
    return np.expm1(-residuals)


def _rms(errors: Array) -> float:
    return float(np.sqrt((errors**2).mean()))
