"""Leave the largest budgets out, fit the rest, forecast them, and compare with simpler forecasts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.fitting.goodness_of_fit import law_point
from analysis.fitting.objective import Objective
from analysis.laws.chinchilla import chinchilla
from analysis.laws.law import Law
from analysis.runs.budgets import budget_groups
from analysis.to_json import document
from analysis.validation.coverage import HoldoutCoverage, cover, coverage_sentence
from analysis.validation.mixture import MIN_BUDGETS_LEFT
from scaling_harness.errors import HarnessError

WIDEST_BUDGET = float(np.log(2))  # ln C: a group wider than this is a chain of runs, not a budget
CELLS_IN_BUDGET = 2  # on average, for groups to be budgets
BAND = 4.0
NO_ERROR = 1e-9  # relative: less is rounding, and no forecast can be measured against it


@dataclass(frozen=True)
class Holdout:
    """A forecast of runs the fit has not seen.

    Attributes
    ----------
    law : Law
        What forecasts.
    budget : float
        Largest held-out budget, FLOP.
    gap : float
        Held-out budget divided by the largest fitted budget.
    n_fit, n_held_out : int
        Number of cells fitted, and held out.
    mean_abs_rel_error : float
        Mean absolute relative error of the law's forecasts of the held-out cells.
    error_last_budget : float
        The same error if each size is forecast to keep its loss at the largest fitted budget.
    error_power_law : float
        Error of that forecast rescaled by the frontier's slope in C, a power law through the lowest losses fitted.
    best_predicted, best_observed : float
        Lowest loss of the largest held-out budget, as the law predicts it and as measured.
    points : DataFrame
        N, D, C, L and predicted loss of the held-out cells; with ``coverage`` also the ends of their intervals.
    params : mapping of str to float
        Of the law on the budgets kept.
    coverage : HoldoutCoverage or None
        Whether 95 % intervals hold the held-out losses, and those of every window; None with ``coverage_reason``.
    """

    law: Law
    budget: float
    gap: float
    n_fit: int
    n_held_out: int
    mean_abs_rel_error: float
    error_last_budget: float
    error_power_law: float
    best_predicted: float
    best_observed: float
    points: pd.DataFrame
    params: Mapping[str, float]
    coverage: HoldoutCoverage | None = None
    coverage_reason: str | None = None

    @property
    def skill(self) -> float:
        """1 - error / error of 'the last budget's loss': 1 is perfect, below 0 worse than no law at all."""
        return 1 - self.mean_abs_rel_error / self.error_last_budget

    @property
    def skill_power_law(self) -> float:
        """1 - error / error of the pure power law in C."""
        return 1 - self.mean_abs_rel_error / self.error_power_law


@document.register
def _(held: Holdout) -> dict[str, Any]:
    """The `holdout` part of a summary."""
    names = ("budget", "gap", "mean_abs_rel_error", "skill", "skill_power_law", "n_fit", "n_held_out")
    names += ("error_last_budget", "error_power_law", "best_predicted", "best_observed")
    coverage = held.coverage or {"reason": held.coverage_reason}
    return {"law": held.law.name, **{name: getattr(held, name) for name in names}, "coverage": coverage}


def budget_bands(train_flops: Array) -> list[Rows]:
    """Rows of each budget; if runs do not come in budgets, of each factor 4 of compute. Ascending."""
    groups = budget_groups(train_flops)
    log_c = np.log(train_flops)
    chained = max(float(np.ptp(log_c[rows])) for rows in groups) > WIDEST_BUDGET
    if not chained and len(train_flops) >= CELLS_IN_BUDGET * len(groups):
        return groups
    n_bands = max(1, round(float(np.ptp(log_c)) / np.log(BAND)))
    edges = np.linspace(log_c.min(), log_c.max(), n_bands + 1)[1:-1]
    band = np.searchsorted(edges, log_c, side="right")
    return [rows for k in range(n_bands) if len(rows := np.flatnonzero(band == k))]


def hold_out_budgets(cells: pd.DataFrame, law: Law = chinchilla, n_budgets: int = 1) -> Holdout:
    """Forecast the largest budgets from the others.

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`.
    law : Law
        What forecasts.
    n_budgets : int
        How many of the largest budgets are left out.

    Returns
    -------
    Holdout

    Raises
    ------
    HarnessError
        Too few budgets or cells are left to fit.
    """
    bands = [cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())]
    held = forecast_bands(bands, law, n_budgets)
    try:
        coverage = cover(bands, law, n_budgets)
    except HarnessError as error:
        return replace(held, coverage_reason=f"no intervals: {error}")
    return replace(held, points=held.points.join(coverage.intervals), coverage=coverage)


def forecast_bands(bands: list[pd.DataFrame], law: Law, n_budgets: int = 1) -> Holdout:
    """Forecast the last bands of cells from those before, without intervals; see `hold_out_budgets`."""
    if n_budgets < 1 or len(bands) - n_budgets < MIN_BUDGETS_LEFT:
        raise HarnessError(
            f"{len(bands)} budgets cannot spare {n_budgets} for a forecast: {MIN_BUDGETS_LEFT} must stay"
        )
    kept, out = pd.concat(bands[:-n_budgets]), pd.concat(bands[-n_budgets:])
    params = _fit(law, kept)
    predicted = law.predict(params, **{name: out[name].to_numpy() for name in law.inputs})
    last = bands[-n_budgets - 1].sort_values("N")
    naive = np.exp(np.interp(np.log(out.N), np.log(last.N), last.log_loss))
    slope = _frontier_slope(bands[:-n_budgets])
    if _error(naive, out) < NO_ERROR:
        raise HarnessError(
            "the largest budgets have the very losses of the last one kept: there is nothing to forecast"
        )
    largest = out.C.max() / 1.2 < out.C
    return Holdout(
        law=law,
        budget=float(out.C.max()),
        gap=float(out.C.max() / kept.C.max()),
        n_fit=len(kept),
        n_held_out=len(out),
        mean_abs_rel_error=_error(predicted, out),
        error_last_budget=_error(naive, out),
        error_power_law=_error(naive * (out.C.to_numpy() / last.C.mean()) ** slope, out),
        best_predicted=float(predicted[largest].min()),
        best_observed=float(out.L[largest].min()),
        points=out.assign(predicted=predicted),
        params=params,
    )


def _fit(law: Law, kept: pd.DataFrame) -> dict[str, float]:
    missing = [name for name in law.inputs if name not in kept]
    if missing:
        raise HarnessError(f"{law.formula} needs {', '.join(missing)}, which these runs have not")
    if len(kept) < law.n_free:
        raise HarnessError(f"{len(kept)} cells are left for the {law.n_free} parameters of {law.formula}")
    return law_point(law, kept, Objective()).params


def _frontier_slope(groups: list[pd.DataFrame]) -> float:
    """D ln L / d ln C through the lowest loss of each budget."""
    lowest = [group.loc[group.L.idxmin()] for group in groups]
    log_c, log_l = np.log([row.C for row in lowest]), np.log([row.L for row in lowest])
    return float(np.polyfit(log_c, log_l, 1)[0])


def _error(predicted: Array, out: pd.DataFrame) -> float:
    return float(np.abs(np.asarray(predicted) / out.L.to_numpy() - 1).mean())


def forecast_sentence(held: Holdout) -> str:
    """The forecast, its error and its coverage for a terminal."""
    said = coverage_sentence(held.coverage) if held.coverage else held.coverage_reason
    return (
        f"forecast of {held.budget:.3g} FLOP from budgets {held.gap:.3g}x smaller: "
        f"mean error {held.mean_abs_rel_error:.2%} over {held.n_held_out} cells; "
        f"skill {held.skill:.2f} against the last budget's loss, {held.skill_power_law:.2f} against a power law in C; "
        f"{said}"
    )
