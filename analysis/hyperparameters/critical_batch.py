"""The critical batch: hyperbolas of steps against batch at each loss, and B_crit(L) through them.

A run that is late at one loss is late at the next, so that the errors of neighbouring B_crit are one error in part.
Noise is therefore drawn for whole runs: each draw mixes the residuals of the batches, all losses of a batch together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import assemble, objective_named
from analysis.fitting.optimum import Point, fit_point
from analysis.fitting.result import FitResult
from analysis.laws.critical_batch import critical_batch, steps_of_batch
from analysis.to_json import document
from scaling_harness.errors import HarnessError

MIN_BATCHES = 4
MIN_SPREAD = 8.0  # largest batch over smallest
MIN_LOSSES = 3
SQUARES = objective_named("log_squares", 1.0)
SMALLEST_ERROR = 1e-3  # of ln B_crit: no loss weighs infinitely more than another


@dataclass(frozen=True)
class Hyperbola:
    """S = S_min + E_min/B at one size and loss; ``fit`` is None, with the problem, if the steps do not give one."""

    n_params: float
    loss_nats: float
    n_batches: int
    fit: FitResult | None
    problem: str | None

    @property
    def b_crit(self) -> Estimate | None:
        """E_min/S_min, in tokens."""
        return self.fit.derived["B_crit"] if self.fit else None


@dataclass(frozen=True)
class CriticalBatches:
    """What the steps say: a hyperbola at each size and loss, and B_crit(L), or why there is none."""

    steps: pd.DataFrame
    hyperbolas: tuple[Hyperbola, ...]
    law: FitResult | None
    problem: str | None
    notes: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        """A row a hyperbola."""
        return pd.DataFrame([_row(each) for each in self.hyperbolas])


@document.register
def _(found: CriticalBatches) -> dict[str, Any]:
    rows = found.table().astype(object).to_dict("records")
    return {"hyperbolas": rows, "law": found.law, "problem": found.problem, "notes": found.notes}


def critical_batches(steps: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> CriticalBatches:
    """Fit the hyperbola of each size and loss, and B_crit(L) through all of them.

    Parameters
    ----------
    steps : DataFrame
        From `steps_to_loss`; rows with a problem are left out.
    resamples : int
        Draws of the intervals.
    seed : int
        Of the draws.

    Returns
    -------
    CriticalBatches
    """
    rng = np.random.default_rng(seed)
    hyperbolas = [each for _, size in steps.groupby("N") for each in _of_size(size, resamples, rng)]
    usable = [each.fit for each in hyperbolas if each.fit]
    losses = [each.loss_nats for each in hyperbolas if each.fit]
    law, problem = _law_of_losses(losses, usable)
    return CriticalBatches(steps, tuple(hyperbolas), law, problem, _notes(steps))


def _of_size(steps: pd.DataFrame, resamples: int, rng: np.random.Generator) -> list[Hyperbola]:
    """Hyperbolas of one size; their draws share the noise of their runs."""
    batches = np.unique(steps["B"].to_numpy(float))
    groups = [(float(str(loss)), rows) for loss, rows in steps.groupby("L", sort=False)]
    points: list[Point | str] = [_point(rows) for _, rows in groups]
    fitted = [point for point in points if isinstance(point, Point)]
    draws = iter(_draws(fitted, batches, resamples, rng))
    found = []
    for (loss, rows), point in zip(groups, points, strict=True):
        n_params, usable = float(rows["N"].iloc[0]), int(np.sum(rows["problem"].isna()))
        result = assemble(point, next(draws), settings={"loss": "log_squares"}) if isinstance(point, Point) else None
        found.append(Hyperbola(n_params, loss, usable, result, point if isinstance(point, str) else None))
    return found


def _point(rows: pd.DataFrame) -> Point | str:
    """The hyperbola of one size and loss; or why these steps do not give one."""
    kept = rows.loc[rows["problem"].isna()]
    said = "; ".join(f"{b:g} tokens: {p}" for b, p in zip(rows["B"], rows["problem"], strict=True) if pd.notna(p))
    said = f" ({said})" if said else ""
    if len(kept) < MIN_BATCHES:
        return f"{len(kept)} of {len(rows)} batches give steps: a hyperbola needs {MIN_BATCHES}{said}"
    batch, steps = kept["B"].to_numpy(float), kept["S"].to_numpy(float)
    low, high = batch.min(), batch.max()
    if high / low < MIN_SPREAD:
        return (
            f"batches of {low:g} to {high:g} tokens are too close for a hyperbola: "
            f"the largest must be {MIN_SPREAD:g} times the smallest{said}"
        )
    least_steps, least_tokens = np.linalg.lstsq(np.stack([1 / steps, 1 / (batch * steps)], axis=1), np.ones(len(kept)))[
        0
    ]
    if least_steps <= 0:
        return (
            f"steps fall faster than 1/B up to {high:g} tokens: S_min, and so B_crit, would be negative; "
            "larger batches are needed, or rates tuned for each"
        )
    if least_tokens <= 0:
        return (
            f"steps do not fall from {low:g} tokens on: E_min, and so B_crit, would be negative; "
            "smaller batches are needed, or rates tuned for each"
        )
    point = fit_point(steps_of_batch, {"B": batch}, steps, SQUARES)
    held = point.certificate.bounds_hit
    if held or not point.certificate.converged:
        return f"the hyperbola has no optimum inside its bounds ({', '.join(held) or 'not converged'})"
    return point


def _draws(points: Sequence[Point], batches: Array, resamples: int, rng: np.random.Generator) -> list[dict[str, Array]]:
    """Parameters of every hyperbola with noise of its runs: Student's t by the degrees of freedom of each loss."""
    if not points:
        return []
    dof = np.array([point.n_rows - point.law.n_free for point in points])
    rows = [np.searchsorted(batches, point.inputs["B"]) for point in points]
    residuals_BT = np.zeros((len(batches), len(points)))
    for t, point in enumerate(points):
        residuals_BT[rows[t], t] = point.residuals / np.sqrt(dof[t])
    normal_KBB = rng.standard_normal((resamples, len(batches), len(batches)))
    scale_KT = np.sqrt(dof / stats.chi2.ppf(rng.uniform(size=(resamples, 1)), dof))
    noise_KBT = normal_KBB @ residuals_BT * scale_KT[:, None, :]
    return [
        point.model.to_natural(point.refit(log_loss=point.log_loss - point.residuals + noise_KBT[:, rows[t], t]).z_KP)
        for t, point in enumerate(points)
    ]


def _law_of_losses(losses: Sequence[float], fits: Sequence[FitResult]) -> tuple[FitResult | None, str | None]:
    """B_crit(L) through the hyperbolas, weighed by their errors; each draw is fitted to theirs."""
    if len(set(losses)) < MIN_LOSSES:
        return None, f"{len(set(losses))} losses have a B_crit: B_crit(L) needs {MIN_LOSSES}"
    b_crit = np.array([fit.derived["B_crit"].value for fit in fits])
    log_draws_KT = np.log([fit.law.derived(fit.draws)["B_crit"] for fit in fits if fit.law.derived]).T
    low, high = np.percentile(log_draws_KT, [15.87, 84.13], axis=0)
    weights = np.maximum((high - low) / 2, SMALLEST_ERROR) ** -2
    try:
        point = fit_point(critical_batch, {"L": np.array(losses)}, b_crit, SQUARES, weights / weights.mean())
    except HarnessError as error:
        return None, str(error)
    if "1/alpha_B" in point.certificate.bounds_hit:
        return None, "B_crit does not grow as the loss falls: alpha_B is not identified"
    drawn = point.refit(log_loss=log_draws_KT).z_KP
    settings = {"loss": "log_squares", "resample": "noise of runs", "resamples": len(drawn)}
    return assemble(point, point.model.to_natural(drawn), settings=settings), None


def _notes(steps: pd.DataFrame) -> tuple[str, ...]:
    """What a reader must know of the search for the rates."""
    n_rates = np.unique(steps["n_rates"]).tolist()
    if n_rates == [1]:
        return ("one learning rate a batch was tried: B_crit is that of these rates, not of the best ones",)
    if len(n_rates) > 1:
        return (f"batches were not searched with equal effort: {n_rates[0]} to {n_rates[-1]} learning rates each",)
    return ()


def _row(each: Hyperbola) -> dict[str, object]:
    row: dict[str, object] = {"N": each.n_params, "L": each.loss_nats, "n_batches": each.n_batches}
    estimates = {} if each.fit is None else {**each.fit.params, **each.fit.derived}
    for name in ("S_min", "E_min", "B_crit"):
        estimate = estimates.get(name)
        low, high = (estimate and estimate.ci95) or (np.nan, np.nan)
        row |= {name: estimate.value if estimate else np.nan, f"{name}_low": low, f"{name}_high": high}
    return row | {"problem": each.problem}
