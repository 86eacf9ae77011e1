"""A power law in N and D through a few values, with errors: value (N / N_0)^p (D / D_0)^q."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from analysis.arrays import Array
from analysis.fitting.estimate import CI_LEVEL, Estimate
from analysis.to_json import document

EXPONENTS = ("n_exponent", "d_exponent")


@dataclass(frozen=True)
class PowerLaw:
    """Fitted at a reference in the middle of its points, where its value is best known.

    Attributes
    ----------
    value : Estimate
        At the reference; its interval comes of the logarithm.
    exponents : mapping of str to Estimate
        n_exponent, d_exponent; 0 without an error if all points have one N, or one D.
    n_params, n_tokens : float
        The reference.
    rms : float or None
        Root mean square residual of ln value, by its degrees of freedom.
    n_points : int
    """

    value: Estimate
    exponents: Mapping[str, Estimate]
    n_params: float
    n_tokens: float
    rms: float | None
    n_points: int

    def at(self, n_params: float, n_tokens: float) -> float:
        """The law's value there."""
        p, q = (self.exponents[name].value for name in EXPONENTS)
        return self.value.value * (n_params / self.n_params) ** p * (n_tokens / self.n_tokens) ** q

    def rule(self, digits: int = 4) -> dict[str, Any]:
        """The configuration that chooses this law: `{rule: power, ...}`."""
        numbers = {"value": self.value.value, **{name: self.exponents[name].value for name in EXPONENTS}}
        numbers |= {"n_params": self.n_params, "n_tokens": self.n_tokens}
        return {"rule": "power", **{name: float(f"{x:.{digits}g}") for name, x in numbers.items()}}


@document.register
def _(law: PowerLaw) -> dict[str, Any]:
    at = {"value": law.value, "n_params": law.n_params, "n_tokens": law.n_tokens, **law.exponents}
    return {**at, "rms_log": law.rms, "n_points": law.n_points, "rule": law.rule()}


def power_law(
    points: Sequence[tuple[float, float]], values: Sequence[float], log_stderrs: Sequence[float] = ()
) -> PowerLaw | str:
    """Fit by least squares in the logs.

    Parameters
    ----------
    points : sequence of (float, float)
        N and D.
    values : sequence of float
        Positive.
    log_stderrs : sequence of float, optional
        Standard errors of ln value. The error of a point is this or the scatter about the law, whichever is larger.

    Returns
    -------
    PowerLaw or str
        A sentence if the points are too few to tell the exponents and an error. Intervals are Student's.
    """
    log_nd = np.log(np.asarray(points, float).reshape(-1, 2))
    varies = [len(np.unique(log_nd[:, k].round(2))) > 1 for k in range(2)]
    n_free = len(log_nd) - 1 - sum(varies)
    if n_free < 1:
        needed = f"at least {2 + sum(varies)} are needed" if len(log_nd) else "none can be fitted"
        return f"{len(log_nd)} minima: {needed}"
    centre, y = log_nd.mean(axis=0), np.log(np.asarray(values, float))
    X = np.column_stack([np.ones(len(y)), (log_nd - centre)[:, varies]])
    solver = np.asarray(np.linalg.pinv(X), np.float64)
    coefficients = solver @ y
    scatter = float(((y - X @ coefficients) ** 2).sum() / n_free)
    variances = np.maximum(scatter, np.square(log_stderrs) if len(log_stderrs) else 0.0) * np.ones(len(y))
    stderrs = np.sqrt((solver**2) @ variances)
    estimates = _estimates(coefficients, stderrs, float(stdtrit(n_free, 0.5 + CI_LEVEL / 2)))
    rest = iter(estimates[1:])
    exponents = {name: next(rest) if there else Estimate(0.0) for name, there in zip(EXPONENTS, varies, strict=True)}
    n_params, n_tokens = np.exp(centre)
    return PowerLaw(_exponential(estimates[0]), exponents, float(n_params), float(n_tokens), scatter**0.5, len(y))


def _estimates(values: Array, stderrs: Array, quantile: float) -> list[Estimate]:
    return [
        Estimate(float(value), float(error), (float(value - quantile * error), float(value + quantile * error)))
        for value, error in zip(values, stderrs, strict=True)
    ]


def _exponential(log: Estimate) -> Estimate:
    low, high = log.ci95 or (np.nan, np.nan)
    value = float(np.exp(log.value))
    return Estimate(value, value * (log.stderr or 0.0), (float(np.exp(low)), float(np.exp(high))))
