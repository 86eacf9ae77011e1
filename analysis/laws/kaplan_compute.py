"""Compute-efficient training by L(N, S_min) and B_crit(L): exponents, and what another size costs.

Kaplan et al. 2020, appendix B. Parameters are those of `kaplan.kaplan_ln_s`, "alpha" for alpha_N, "beta" for alpha_S;
the optimum itself (B.4, B.9, B.10) is `kaplan.optimal_steps`. Draws of parameters are taken as numbers are.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.laws.kaplan import Batch
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN

TABLE_6 = {"N": (1.3e9, 0.73), "B": (2.0e6, 0.24), "S": (5.4e3, 0.03), "D": (2e10, 0.27)}
"""Printed optima: factor and exponent of C_min in PF-days; S is S_min."""
N_BISECTIONS = 60
EQUATION_6_7 = (4e10, 0.26)
"""D of C_min as eq. 6.7 prints it, which is not Table 6's."""


def loss_above_converged(params: Mapping[str, ArrayLike]) -> Array:
    """Loss of compute-efficient training over that of convergence, 1 + alpha_N / alpha_S (B.5)."""
    return 1 + _ratio(params)


def compute_exponents(params: Mapping[str, ArrayLike], batch: Batch) -> dict[str, Array]:
    """Exponents in C_min of the optimal N, B, S and D = B S, and alpha_C of the loss (B.7, 1.7).

    Parameters
    ----------
    params : mapping
        Of L(N, S_min).
    batch : Batch
        The critical one, whose power is 1 / alpha_B; draws of the power broadcast.

    Returns
    -------
    dict
        "alpha_C", "N", "B", "S", "D".
    """
    alpha_n, alpha_s = _exponents(params)
    alpha_c = 1 / (1 / alpha_s + batch.power + 1 / alpha_n)
    of = {"alpha_C": alpha_c, "N": alpha_c / alpha_n, "B": alpha_c * batch.power, "S": alpha_c / alpha_s}
    return of | {"D": of["B"] + of["S"]}


def compute_scale(params: Mapping[str, ArrayLike], batch: Batch) -> Array:
    """C_c of L = (C_c / C_min)^alpha_C, in FLOP (B.8)."""
    alpha_n, alpha_s = _exponents(params)
    n_c = np.asarray(params["A"], float) ** (1 / alpha_n)
    s_c = np.asarray(params["B"], float) ** (1 / alpha_s)
    ratio = _ratio(params)
    factor = (1 + ratio) ** (1 / alpha_s + 1 / alpha_n) * (1 / ratio) ** (1 / alpha_s)
    return FLOPS_PER_PARAM_TOKEN * n_c * batch.scale * s_c * factor


def loss_of_compute(
    params: Mapping[str, ArrayLike], batch: Batch, n_params: ArrayLike, train_flops: ArrayLike
) -> Array:
    """Loss of a size after so much compute at the critical batch, L(N, C_min) (B.3).

    Parameters
    ----------
    params : mapping
        Of L(N, S_min).
    batch : Batch
        The critical one.
    n_params, train_flops : array_like
        N and C_min, FLOP.

    Returns
    -------
    ndarray
        The critical batch depends on the loss itself: bisected in its logarithm, to the last digit.
    """
    n_params, train_flops = np.broadcast_arrays(np.asarray(n_params, float), np.asarray(train_flops, float))
    A, B = np.asarray(params["A"], float), np.asarray(params["B"], float)
    alpha_n, alpha_s = _exponents(params)
    converged = A * n_params**-alpha_n

    def excess(loss: Array) -> Array:
        steps = train_flops / (FLOPS_PER_PARAM_TOKEN * n_params * batch.tokens(loss))
        return loss - converged - B * steps**-alpha_s

    low, high = np.log(converged), np.log(converged)
    while (below := excess(np.exp(high)) < 0).any():
        high = high + below
    for _ in range(N_BISECTIONS):
        middle = (low + high) / 2
        low, high = (np.where(excess(np.exp(middle)) < 0, a, b) for a, b in ((middle, low), (high, middle)))
    return np.exp(high)


def size_ratio(alpha_n: ArrayLike, above: ArrayLike, instead_of: ArrayLike) -> Array:
    """N for a loss, reached at a share ``above`` the converged one, over N if it is reached closer (B.12)."""
    return ((1 + np.asarray(above)) / (1 + np.asarray(instead_of))) ** (1 / np.asarray(alpha_n))


def steps_ratio(alpha_s: ArrayLike, above: ArrayLike, instead_of: ArrayLike) -> Array:
    """Steps of the same two ways to that loss, the one over the other (B.13); compute is their product with B.12."""
    return ((1 + 1 / np.asarray(above)) / (1 + 1 / np.asarray(instead_of))) ** (1 / np.asarray(alpha_s))


def steps_of_other_size(size: ArrayLike, alpha_n: ArrayLike, alpha_s: ArrayLike) -> Array:
    """Steps to the same loss of a model ``size`` times the efficient one, over the efficient steps (B.17).

    Parameters
    ----------
    size : array_like
        N / N_eff.
    alpha_n, alpha_s : array_like
        Exponents of L(N, S_min).

    Returns
    -------
    ndarray
        Infinite for a model so small that it never reaches the loss.
    """
    size, alpha_n, alpha_s = (np.asarray(x, float) for x in (size, alpha_n, alpha_s))
    room = 1 + alpha_s / alpha_n * (1 - size**-alpha_n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(room > 0, np.abs(room) ** (-1 / alpha_s), np.inf)


def compute_of_other_size(size: ArrayLike, alpha_n: ArrayLike, alpha_s: ArrayLike) -> Array:
    """Compute to the same loss of a model ``size`` times the efficient one, over the efficient compute (B.16)."""
    return np.asarray(size, float) * steps_of_other_size(size, alpha_n, alpha_s)


def _exponents(params: Mapping[str, ArrayLike]) -> tuple[Array, Array]:
    return np.asarray(params["alpha"], float), np.asarray(params["beta"], float)


def _ratio(params: Mapping[str, ArrayLike]) -> Array:
    alpha_n, alpha_s = _exponents(params)
    return alpha_n / alpha_s
