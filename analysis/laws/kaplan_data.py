"""What too few tokens do, by L(N, D) of eq. 1.5; and where the law of compute asks for more than they hold.

Kaplan et al. 2020, sections 4, 5.3 and 6.3. Parameters are those of `kaplan.kaplan_ln_d` ("A", "D_c", "ratio",
"alpha_D") and of the one-variable laws ("A", "alpha"). Draws of parameters are taken as numbers are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array

Params = Mapping[str, ArrayLike]


def overfitting(params: Params, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
    """Loss above that of unlimited tokens as a share of it, L(N, D) / L(N, inf) - 1 (eq. 4.2, 4.3).

    Parameters
    ----------
    params : mapping
        Of L(N, D).
    n_params, n_tokens : array_like
        They matter through N^(alpha_N / alpha_D) / D alone.

    Returns
    -------
    ndarray
    """
    A, D_c, ratio, alpha_d = (np.asarray(params[name], float) for name in ("A", "D_c", "ratio", "alpha_D"))
    n_params, n_tokens = np.asarray(n_params, float), np.asarray(n_tokens, float)
    return np.expm1(alpha_d * np.log1p(n_params**ratio / A * D_c / n_tokens))


def tokens_needed(params: Params, n_params: ArrayLike, tolerance: ArrayLike = 0.02) -> Array:
    """Tokens that keep `overfitting` below a tolerance; the exact inverse of it (eq. 4.4 rounds it to 5e3 N^.74).

    Parameters
    ----------
    params : mapping
        Of L(N, D).
    n_params : array_like
        N.
    tolerance : array_like
        Share of the loss; .02 is what the paper's runs with other seeds differ by.

    Returns
    -------
    ndarray
    """
    A, D_c, ratio, alpha_d = (np.asarray(params[name], float) for name in ("A", "D_c", "ratio", "alpha_D"))
    return D_c * np.asarray(n_params, float) ** ratio / A / np.expm1(np.log1p(tolerance) / alpha_d)


def earliest_stop(params: Params, loss_nats: ArrayLike, converged_nats: ArrayLike) -> Array:
    """Least step at which early stopping can end a run that is short of tokens, in S_min (eq. 5.7).

    Parameters
    ----------
    params : mapping
        Of L(N, S_min), `kaplan.kaplan_ln_s`.
    loss_nats : array_like
        L(N, D), where the run stopped.
    converged_nats : array_like
        L(N, inf) of the same size.

    Returns
    -------
    ndarray
        Infinite if the run is not above the converged loss.
    """
    B, beta = np.asarray(params["B"], float), np.asarray(params["beta"], float)
    gap = np.asarray(loss_nats, float) - np.asarray(converged_nats, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap > 0, (B / np.abs(gap)) ** (1 / beta), np.inf)


@dataclass(frozen=True)
class Crossing:
    """Where the loss of compute falls below what the tokens it is spent on allow; each field a number or draws."""

    train_flops: Array
    n_tokens: Array
    loss_nats: Array


def crossing(by_compute: Params, by_tokens: Params, tokens_of_compute: tuple[ArrayLike, ArrayLike]) -> Crossing:
    """Where L(C_min) meets L(D(C_min)), beyond which one of the two laws must fail (eq. 6.6 to 6.8).

    Parameters
    ----------
    by_compute : mapping
        A and alpha of L(C_min), FLOP.
    by_tokens : mapping
        A and alpha of L(D).
    tokens_of_compute : (factor, exponent)
        Tokens of compute-efficient training, D = factor C^exponent, FLOP.

    Returns
    -------
    Crossing
        NaN where L(C_min) never crosses, because it falls no faster than L(D(C_min)).
    """
    (A_c, alpha_c), (A_d, alpha_d) = (
        (np.asarray(law["A"], float), np.asarray(law["alpha"], float)) for law in (by_compute, by_tokens)
    )
    factor, exponent = (np.asarray(x, float) for x in tokens_of_compute)
    faster = alpha_c - exponent * alpha_d
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_c = (np.log(A_c) - np.log(A_d) + alpha_d * np.log(factor)) / np.where(faster > 0, faster, np.nan)
        return Crossing(np.exp(log_c), factor * np.exp(exponent * log_c), A_c * np.exp(-alpha_c * log_c))
