"""The same fits done in the usual way with scipy: what ours is measured against.

`public` follows Besiroglu et al. (2024) as their paper and notebook describe it: 4,500 starts of L-BFGS-B with
numerical gradients, then BFGS with numerical gradients for each resample. `careful` is as good as scipy gets:
centred logs, analytic gradient, tight tolerances.
"""

from itertools import product

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from analysis.arrays import Array

DELTA = 1e-3
Fit = tuple[Array, float]
"""Internal parameters (a, b, e, alpha, beta) and the objective there."""


def public_starts() -> Array:
    """Hoffmann et al.'s grid of 4,500 starts (2022, appendix D.3)."""
    exponents, coefficients = np.arange(0, 2.5, 0.5), np.arange(0, 30, 5)
    axes = (coefficients, coefficients, np.arange(-1, 1.5, 0.5), exponents, exponents)
    return np.array(list(product(*axes)), dtype=float)


def _huber(residuals: Array, weights: Array | float) -> float:
    size = np.abs(residuals)
    return float((weights * np.where(size < DELTA, 0.5 * residuals**2, DELTA * (size - 0.5 * DELTA))).sum())


def _public_objective(z: Array, log_n: Array, log_d: Array, log_loss: Array) -> float:
    terms = (z[0] - z[3] * log_n, z[1] - z[4] * log_d, np.full(len(log_n), z[2]))
    return _huber(np.asarray(logsumexp(terms, axis=0)) - log_loss, 1.0)


def public_point(log_n: Array, log_d: Array, log_loss: Array, starts: Array) -> Fit:
    """Best of L-BFGS-B from the starts, default tolerances, numerical gradients."""
    rows = (log_n, log_d, log_loss)
    fits = [minimize(_public_objective, start, args=rows, method="L-BFGS-B") for start in starts]
    best = min(fits, key=lambda each: each.fun)
    return best.x, float(best.fun)


def public_resample(log_n: Array, log_d: Array, log_loss: Array, start: Array) -> Fit:
    """BFGS from the point fit, numerical gradients, on the rows of one resample."""
    optimum = minimize(_public_objective, start, args=(log_n, log_d, log_loss), method="BFGS")
    return optimum.x, float(optimum.fun)


def careful(log_n: Array, log_d: Array, log_loss: Array, start: Array, weights: Array) -> Fit:
    """L-BFGS-B with the analytic gradient; logs are to be centred by the caller."""

    def value_and_gradient(z: Array) -> tuple[float, Array]:
        terms = np.stack((z[0] - z[3] * log_n, z[1] - z[4] * log_d, np.full(len(log_n), z[2])))
        highest = terms.max(axis=0)
        shares = np.exp(terms - highest)
        total = shares.sum(axis=0)
        residuals = highest + np.log(total) - log_loss
        psi = weights * np.clip(residuals, -DELTA, DELTA) / total
        by_n, by_d, by_e = shares * psi
        gradient = np.array([by_n.sum(), by_d.sum(), by_e.sum(), -(by_n @ log_n), -(by_d @ log_d)])
        return 1e6 * _huber(residuals, weights), 1e6 * gradient

    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000, "maxfun": 20000}
    optimum = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return optimum.x, float(optimum.fun) / 1e6
