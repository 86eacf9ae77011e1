"""Leave one run out: which runs move the exponents, and by how much."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.fitting.cost_of_runs import cost_of
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.laws.chinchilla import chinchilla
from analysis.laws.cost_model import CostModel, derive_under
from analysis.laws.law import Law
from analysis.to_json import document

MOST_RUNS = 1000  # more than this: those of largest residual only
MOST_WEIGHTS = 2_000_000  # runs left out times rows, for memory
NOTABLE = 0.5  # standard errors of a shift worth a sentence


@dataclass(frozen=True)
class Influence:
    """What leaving each run out does.

    Attributes
    ----------
    frame : DataFrame
        run, residual (ln L - ln L_hat of the full fit, the largest of its rows) and, for every exponent, by how
        much it moves when the run is left out; largest movement of ``quantity`` first.
    quantity : str
        "a" if the law has it, else its first exponent.
    value : float
        Value of ``quantity`` in the full fit.
    jackknife_stderr : float or None
        Jackknife standard error of ``quantity`` from the same fits; None if not all runs were left out in turn.
    """

    frame: pd.DataFrame
    quantity: str
    value: float
    jackknife_stderr: float | None

    def sentences(self) -> list[str]:
        """The runs that move the exponent by more than half its standard error."""
        error = self.jackknife_stderr
        if not error:
            return []
        notable = self.frame[np.abs(self.frame[self.quantity]) > NOTABLE * error]
        return [
            f"without {row['run']} {self.quantity} moves by {row[self.quantity]:+.4f}, "
            f"{abs(row[self.quantity]) / error:.1f} standard errors"
            for _, row in notable.iterrows()
        ]

    def top(self, n_runs: int) -> "Influence":
        """The most influential runs alone."""
        return replace(self, frame=self.frame.head(n_runs))


@document.register
def _(influence: Influence) -> dict[str, Any]:
    return {
        "quantity": influence.quantity,
        "jackknife_stderr": influence.jackknife_stderr,
        "runs": influence.frame,
    }


def leave_one_out(
    frame: pd.DataFrame,
    law: Law = chinchilla,
    *,
    objective: Objective | None = None,
    labels: Sequence[Any] | Rows | None = None,
    weights: Array | None = None,
) -> Influence:
    """Refit without each run in turn.

    Parameters
    ----------
    frame : DataFrame
        Inputs of the law and L, one row a run (or a cell).
    law : Law
        What is fitted.
    objective : Objective, optional
        Huber's on log residuals by default.
    labels : sequence, optional
        Name of each row's run; rows of one name are left out together. By default the column ``run``,
        or the row's number.
    weights : array, optional
        Weight of each row.

    Returns
    -------
    Influence
    """
    names = np.asarray(_labels(frame) if labels is None else labels).astype(str)
    inputs = {name: frame[name].to_numpy(float) for name in law.inputs}
    point = fit_point(law, inputs, frame.L.to_numpy(float), objective or Objective(), weights)
    runs, of_row = np.unique(names, return_inverse=True)
    worst = np.zeros(len(runs))
    np.maximum.at(worst, of_row, np.abs(point.residuals))
    most = max(1, min(MOST_RUNS, MOST_WEIGHTS // len(frame)))
    chosen = np.argsort(-worst, kind="stable")[:most]
    kept = point.weights * (of_row[None] != chosen[:, None])
    cost = cost_of(frame)
    without = _exponents(cost, law, point.model.to_natural(point.refit(weights=kept).z_KP))
    full = _exponents(cost, law, {name: np.array(value) for name, value in point.params.items()})
    shifts = {name: values - full[name] for name, values in without.items()}
    quantity = "a" if "a" in full else next(iter(full))
    shifted = pd.DataFrame({"run": runs[chosen], "residual": _signed(point, of_row, chosen), **shifts})
    shifted = shifted.sort_values(quantity, key=lambda column: -np.abs(column), ignore_index=True)
    error = _jackknife(shifts[quantity]) if len(chosen) == len(runs) else None
    return Influence(shifted, quantity, float(full[quantity]), error)


def _labels(frame: pd.DataFrame) -> list[Any]:
    return frame["run"].tolist() if "run" in frame else [f"row {i + 1}" for i in range(len(frame))]


def _exponents(cost: CostModel, law: Law, params: dict[str, Array]) -> dict[str, Array]:
    """Law's exponents, a and b."""
    derived = derive_under(cost, law, params)
    return {name: derived[name] for name in ("a", "b") if name in derived} | {k: params[k] for k in law.exponents}


def _signed(point: Point, of_row: Rows, chosen: Rows) -> list[float]:
    """Residual of largest size of each chosen run."""
    signed = []
    for run in chosen:
        residuals = point.residuals[of_row == run]
        signed.append(float(residuals[np.abs(residuals).argmax()]))
    return signed


def _jackknife(shifts: Array) -> float:
    """Standard error from n leave-one-out values."""
    return float(np.sqrt((len(shifts) - 1) / len(shifts) * ((shifts - shifts.mean()) ** 2).sum()))
