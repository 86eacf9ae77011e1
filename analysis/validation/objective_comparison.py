"""What the choice of the objective does to a fit: the same runs under every loss."""

from typing import Any

import pandas as pd

from analysis.fitting.fit import LOSSES, NOISE_WEIGHTS, Loss, fit
from analysis.fitting.result import FitResult
from analysis.laws.law import Law
from scaling_harness.errors import UserError

DEFAULT_DELTA = 1e-3


def fit_every_way(law: Law | str, runs: Any, *, delta: float = DEFAULT_DELTA, starts: int = 32) -> dict[str, FitResult]:
    """Fit a law under each objective, without intervals.

    Parameters
    ----------
    law : Law or str
        What to fit.
    runs : Runs or DataFrame
        As for `fit`.
    delta : float
        Huber's threshold, in units of the residual.
    starts : int
        Starting points of each fit.

    Returns
    -------
    dict of str to FitResult
        "log_huber", "raw_huber", "log_squares", "raw_squares"; and each of the first and third weighted
        by the noise of seeds, if runs of several seeds show it.
    """

    def one(loss: Loss, weights: str | None = None) -> FitResult:
        return fit(law, runs, loss=loss, delta=delta, weights=weights, resample="none", starts=starts)

    fits = {loss: one(loss) for loss in LOSSES}
    try:
        weighted = {f"{loss}, noise weights": one(loss, NOISE_WEIGHTS) for loss in ("log_huber", "log_squares")}
    except UserError:  # no replicates: there is no noise to weigh by
        weighted = {}
    return {**fits, **weighted}


def objective_table(fits: dict[str, FitResult]) -> pd.DataFrame:
    """Parameters and derived quantities, a row each objective.

    Parameters
    ----------
    fits : dict
        From `fit_every_way`.

    Returns
    -------
    DataFrame
        objective, the law's parameters, a and b if it has them, residual_rms, status.
    """
    rows = []
    for name, result in fits.items():
        derived = {key: result.derived[key].value for key in ("a", "b") if key in result.derived}
        rows.append(
            {
                "objective": name,
                **result.values,
                **derived,
                "residual_rms": result.residual_rms,
                "status": result.status,
            }
        )
    return pd.DataFrame(rows)
