"""Variable projection: at held exponents L = E + A/N^alpha + B/D^beta is linear, so that two of five are searched.

Czech et al. (2026) fit this way: a grid of exponents, each with E, A, B >= 0 by non-negative least squares, then
Nelder and Mead's search. `fit.fit` reaches the same minimum by Newton's method; this is what it is compared with.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize, nnls

from analysis.arrays import Array

GRID = np.linspace(0.05, 0.95, 32)


def projected(alpha: float, beta: float, log_n: Array, log_d: Array, loss: Array) -> tuple[Array, float]:
    """E, A, B >= 0 of least squares at held exponents, in units of the centred logs, and the residual's norm."""
    X = np.stack([np.ones_like(loss), np.exp(-alpha * log_n), np.exp(-beta * log_d)], axis=1)
    return nnls(X, loss)


def fit_by_projection(n_params: ArrayLike, n_tokens: ArrayLike, loss: ArrayLike) -> Mapping[str, float]:
    """Fit Chinchilla's law by least squares on L.

    Parameters
    ----------
    n_params, n_tokens, loss : array_like (n,)
        N, D and L.

    Returns
    -------
    mapping
        E, A, B, alpha, beta.
    """
    log_n, log_d = np.log(np.asarray(n_params, float)), np.log(np.asarray(n_tokens, float))
    L = np.asarray(loss, float)
    centre_n, centre_d = log_n.mean(), log_d.mean()
    x, y = log_n - centre_n, log_d - centre_d

    def misfit(exponents: Array) -> float:
        return projected(exponents[0], exponents[1], x, y, L)[1] if (exponents > 0).all() else np.inf

    starts = np.array([(alpha, beta) for alpha in GRID for beta in GRID])
    start = min(starts, key=misfit)
    options = {"xatol": 1e-12, "fatol": 1e-15, "maxiter": 2000}
    alpha, beta = minimize(misfit, start, method="Nelder-Mead", options=options).x
    (E, A, B), _ = projected(alpha, beta, x, y, L)
    return {
        "E": float(E),
        "A": float(A * np.exp(alpha * centre_n)),
        "B": float(B * np.exp(beta * centre_d)),
        "alpha": float(alpha),
        "beta": float(beta),
    }
