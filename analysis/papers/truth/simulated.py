"""Sweeps simulated from learner curves of known form: how often the intervals of each law hold what is true.

The design is like that of truth/walk: four budgets fitted, one of ten times the largest forecast. Every sweep draws
its own E, exponents and size of the reducible loss. Intervals of parameters are those of normal draws from the
covariance of the fit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.validation.coverage import MIXTURE, alone
from analysis.validation.discrepancy import TAU
from analysis.validation.mixture import (
    FORMS,
    Cells,
    Interval,
    expanding_windows,
    fit_forms,
    forecast_rows,
    mixture_of,
)
from analysis.validation.predictive import FittedForm

SWEEPS = 2000
DRAWS = 200
BUDGETS = (6.25e9, 1.25e10, 2.5e10, 5e10)
AHEAD = 10.0
SEEDS = (4.0, 3.0, 2.0, 2.0, 1.0)
N_SIZES, SPAN, TOKENS_PER_PARAM = 5, 2.5, 20.0
NOISE = 0.004


@dataclass(frozen=True)
class Curves:
    """Truths of K learners, each array (K, 1); N and D are relative to the centre of the budgets fitted."""

    offset: Array
    size: Array
    alpha: Array
    beta: Array

    def terms(self, n: Array, d: Array) -> tuple[Array, Array]:
        """Terms of N and D at ln N and ln D from the centre, which are balanced there and add to 1."""
        share = self.beta / (self.alpha + self.beta)
        return share * np.exp(-self.alpha * n), (1 - share) * np.exp(-self.beta * d)


Reducible = Callable[[Curves, Array, Array], Array]
K_TRUE = 0.5
CEILING = 3.0


def _sum(curves: Curves, n: Array, d: Array) -> Array:
    of_n, of_d = curves.terms(n, d)
    return of_n + of_d


def _equal(curves: Curves, n: Array, d: Array) -> Array:
    return _sum(Curves(curves.offset, curves.size, curves.alpha, curves.alpha), n, d)


def _outer(curves: Curves, n: Array, d: Array) -> Array:
    """Skaling's: the exponents of the loss far away are those drawn."""
    inner = Curves(curves.offset, curves.size, curves.alpha / K_TRUE, curves.beta / K_TRUE)
    return _sum(inner, n, d) ** K_TRUE


def _bounded(curves: Curves, n: Array, d: Array) -> Array:
    """Bounded by random guessing, as in Hestness's three regions: h / (1 + h)."""
    h = _sum(curves, n, d)
    return h * CEILING / (CEILING - 1 + h)


def _logarithm(curves: Curves, n: Array, d: Array) -> Array:
    """The term of D with the logarithm that collecting coupons has."""
    of_n, of_d = curves.terms(n, d)
    return of_n + of_d * np.maximum(1 + 0.1 * d, 0.1)


LEARNERS: Mapping[str, Reducible] = {
    "chinchilla": _sum,
    "tied": _equal,
    "skaling": _outer,
    "bounded": _bounded,
    "logarithm": _logarithm,
}
"""By name; the first three are of the form of the law of that name, the others of none."""


def design() -> pd.DataFrame:
    """Budget, N, D, C and seeds of every cell; the last budget is forecast."""
    rows = [
        (k, n, C / FLOPS_PER_PARAM_TOKEN / n, C, SEEDS[k])
        for k, C in enumerate((*BUDGETS, BUDGETS[-1] * AHEAD))
        for n in np.sqrt(C / FLOPS_PER_PARAM_TOKEN / TOKENS_PER_PARAM) * SPAN ** np.linspace(-1, 1, N_SIZES)
    ]
    return pd.DataFrame(rows, columns=["budget", "N", "D", "C", "n_seeds"])


def simulate(learner: str, n_sweeps: int, rng: np.random.Generator) -> tuple[Cells, dict[str, Array]]:
    """Draw sweeps of a learner.

    Parameters
    ----------
    learner : str
        One of `LEARNERS`.
    n_sweeps : int
        How many.
    rng : numpy.random.Generator
        Source of truths and noise.

    Returns
    -------
    Cells, dict of str to array
        The sweeps, and the truth of E, alpha, beta and a, each (K,).
    """

    def uniform(low: float, high: float) -> Array:
        return rng.uniform(low, high, (n_sweeps, 1))

    curves = Curves(uniform(0.5, 2.5), uniform(0.5, 1.5), uniform(0.3, 0.8), uniform(0.3, 0.8))
    frame = design()
    fitted = frame["budget"].to_numpy() < len(BUDGETS)
    n, d = (logs - logs[fitted].mean() for logs in np.log(frame[["N", "D"]].to_numpy()).T)
    log_loss = np.log(curves.offset + curves.size * LEARNERS[learner](curves, n[None], d[None]))
    noise = NOISE / np.sqrt(frame["n_seeds"].to_numpy()) * rng.standard_normal(log_loss.shape)
    bands = tuple(np.flatnonzero(frame["budget"] == k) for k in frame["budget"].unique())
    alpha, beta = curves.alpha[:, 0], (curves.alpha if learner == "tied" else curves.beta)[:, 0]
    truth = {"E": curves.offset[:, 0], "alpha": alpha, "beta": beta, "a": beta / (alpha + beta)}
    return Cells(frame, bands, log_loss + noise), truth


def scores(n_sweeps: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Simulate, fit, forecast and count.

    Parameters
    ----------
    n_sweeps : int, optional
        Of each learner; `SWEEPS` by default.
    seed : int
        Of truths and noise.

    Returns
    -------
    DataFrame
        A row each learner and law (or the mixture): the share of sweeps whose 95 % interval holds the truth, and the
        median bias, of E, alpha, beta and a; the share whose forecast of ten times the compute holds, and its median
        absolute error relative to the loss.
    """
    n_sweeps = n_sweeps or SWEEPS
    return pd.DataFrame([row for name in LEARNERS for row in _scored(name, n_sweeps, seed)])


def _scored(learner: str, n_sweeps: int, seed: int) -> list[dict[str, object]]:
    rng = np.random.default_rng([seed, *learner.encode()])
    cells, truth = simulate(learner, n_sweeps, rng)
    n_kept = len(BUDGETS)
    fitted, _ = fit_forms(cells, FORMS, n_kept)
    window = forecast_rows(cells, fitted, n_kept, cells.bands[n_kept]).of_the_mean
    rows = []
    for name, form in fitted.items():
        measured = _parameters(form, truth, rng)
        rows.append({"learner": learner, "law": name, **measured, **_forecast(alone(window, name), window.observed_Kq)})
    mixture = mixture_of(window, expanding_windows(cells, n_bands=n_kept), FORMS, TAU)
    rows.append({"learner": learner, "law": MIXTURE, **_forecast(mixture.interval(), window.observed_Kq)})
    return rows


def _parameters(form: FittedForm, truth: Mapping[str, Array], rng: np.random.Generator) -> dict[str, float]:
    """Coverage and bias of every quantity."""
    values, vectors = np.linalg.eigh(form.covariance_KPP)
    root_KPP = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    normal = rng.standard_normal((DRAWS, *form.z_KP.shape))
    with np.errstate(over="ignore", invalid="ignore"):  # where a parameter is hardly identified
        draws = [_quantities(form, form.z_KP + np.einsum("kpq,kq->kp", root_KPP, each)) for each in normal]
    found = _quantities(form, form.z_KP)
    scored: dict[str, float] = {}
    for name in found:
        low, high = np.percentile([each[name] for each in draws], [2.5, 97.5], axis=0)
        scored[f"{name} held"] = float(np.mean((low <= truth[name]) & (truth[name] <= high)))
        scored[f"{name} bias"] = float(np.median(found[name] - truth[name]))
    return scored


def _quantities(form: FittedForm, z_KP: Array) -> dict[str, Array]:
    """E, the exponents of the loss itself, and a."""
    params = form.model.to_natural(z_KP)
    outer = params[form.law.outer] if form.law.outer else 1.0
    alpha = params["alpha"] * outer
    if "beta" not in params:  # one exponent for both: a is no estimate
        return {"E": params["E"], "alpha": alpha, "beta": alpha}
    beta = params["beta"] * outer
    return {"E": params["E"], "alpha": alpha, "beta": beta, "a": beta / (alpha + beta)}


def _forecast(interval: Interval, observed_Kq: Array) -> dict[str, float]:
    error = np.abs(np.expm1(interval.median - observed_Kq))
    return {
        "forecast held": float(interval.holds(observed_Kq).mean()),
        "forecast error": float(np.median(error)),
        "interval width": float(np.median(interval.width)),
    }
