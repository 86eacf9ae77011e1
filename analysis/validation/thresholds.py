"""Fit the runs below a size and a number of tokens, predict the others: error against the threshold.

Rosenfeld et al. 2020, section 7: N and D are both cut, and everything beyond either is predicted.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.fitting.goodness_of_fit import law_point
from analysis.fitting.identifiability import check_rows
from analysis.laws.law import Law
from scaling_harness.errors import HarnessError

SHARES = tuple(float(share) for share in np.linspace(0.4, 0.9, 6).round(2))
SPARE = 2  # cells beyond the parameters that a fit below a threshold has at least
ROUNDING = 1 + 1e-9  # a threshold at the size of runs has them below it


def below_thresholds(cells: pd.DataFrame, law: Law, shares: Sequence[float] = SHARES) -> pd.DataFrame:
    """Error of a law fitted below thresholds of N and D, on all that lies above either.

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`.
    law : Law
        One in N and D; fitted by least squares on ln L, which is their relative divergence.
    shares : sequence of float
        Where the thresholds lie between the least and the largest N and D, in logs: 0 at the least, 1 at the largest.

    Returns
    -------
    DataFrame
        One row a share: law, share, n_params and n_tokens (the thresholds), reach (largest C predicted over the largest
        fitted), n_fit, n_predicted, mean, sd and mean_abs of L_hat / L - 1, and reason, why there are no errors, or
        None.

    Raises
    ------
    HarnessError
        A law of other inputs, or runs that no threshold leaves enough of.
    """
    if set(law.power_inputs) != {"N", "D"}:
        raise HarnessError(f"thresholds are of N and D, which are not the inputs of {law.formula}: give a law of both")
    table = pd.DataFrame([_below(cells, law, share) for share in shares])
    if np.isnan(table["mean_abs"].to_numpy(float)).all():
        raise HarnessError(f"no threshold of N and D leaves runs to fit {law.name}: {table['reason'].iloc[-1]}")
    return table


def _below(cells: pd.DataFrame, law: Law, share: float) -> dict[str, object]:
    at = {x: float(np.exp((1 - share) * np.log(cells[x].min()) + share * np.log(cells[x].max()))) for x in "ND"}
    inside = np.all([cells[x].to_numpy(float) <= at[x] * ROUNDING for x in "ND"], axis=0)
    kept, out = cells.loc[inside], cells.loc[~inside]
    row: dict[str, object] = {"law": law.name, "share": share, "n_params": at["N"], "n_tokens": at["D"]}
    row |= {"reach": float(out["C"].max() / kept["C"].max()) if len(kept) and len(out) else np.nan}
    row |= {"n_fit": len(kept), "n_predicted": len(out)} | dict.fromkeys(("mean", "sd", "mean_abs"), np.nan)
    try:
        _check(kept, out, law)
    except HarnessError as error:
        return row | {"reason": str(error)}
    point = law_point(law, kept)
    if not point.certificate.converged:
        return row | {"reason": f"the fit of {len(kept)} cells found no optimum"}
    errors = law.predict(point.params, **{x: out[x].to_numpy(float) for x in law.inputs}) / out["L"].to_numpy(float) - 1
    spread = float(errors.std(ddof=1)) if len(errors) > 1 else np.nan
    return row | {"mean": float(errors.mean()), "sd": spread, "mean_abs": float(np.abs(errors).mean()), "reason": None}


def _check(kept: pd.DataFrame, out: pd.DataFrame, law: Law) -> None:
    """Refuse a threshold with too little below it, or nothing above."""
    if len(out) == 0:
        raise HarnessError("no cell lies above it")
    if len(kept) < law.n_free + SPARE:
        raise HarnessError(f"{len(kept)} cells lie below it, {law.n_free + SPARE} are needed")
    check_rows(law, {x: kept[x].to_numpy(float) for x in law.inputs}, kept["L"].to_numpy(float))
