"""What leaving the vocabulary out of N and C does to the exponent of the best size (Pearce and Song 2024).

The law holds for N_total = N + omega N^power, where N leaves the vocabulary out; compute is counted as 6 N D.
Symbols: s is the elasticity d ln N_total / d ln N, g the exponent d ln N_opt / d ln C at one N. Where alpha A
N_total^-alpha s = beta B D^-beta, the loss is lowest at a C; one derivative of its logarithm gives g.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from analysis.arrays import Array
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN

CUBE_ROOT = 1 / 3


@dataclass(frozen=True)
class Vocabulary:
    """N_total = N + omega N^power.

    The power is 1/3 if depth grows with width (N = 12 d^3 / aspect), and 1/2 if depth is fixed (N = 12 n_layer d^2).
    """

    omega: float
    power: float = CUBE_ROOT

    def total(self, n_params: ArrayLike) -> Array:
        """N_total of sizes without the vocabulary."""
        N = np.asarray(n_params, float)
        return N + self.omega * N**self.power

    def elasticity(self, n_params: ArrayLike) -> Array:
        """S = d ln N_total / d ln N, from the power for small sizes to 1 for large ones."""
        N = np.asarray(n_params, float)
        return (N + self.power * self.omega * N**self.power) / self.total(N)

    def bend(self, n_params: ArrayLike) -> Array:
        """Slope d ln s / d ln N."""
        v = self.omega * np.asarray(n_params, float) ** (self.power - 1)
        return -(1 - self.power) * v * (self.power / (1 + self.power * v) - 1 / (1 + v))


PUBLISHED = Vocabulary(47491)
"""Hoffmann's sizes (Table A9, 32,000 tokens), as Pearce and Song print it."""


def of_fixed_depth(n_layer: int, vocab_size: int, n_matrices: int = 1) -> Vocabulary:
    """That of models of one depth, 12 n_layer d^2 parameters and a vocabulary of ``n_matrices`` vocab_size d."""
    return Vocabulary(n_matrices * vocab_size / np.sqrt(12 * n_layer), 0.5)


def of_fixed_aspect(aspect: float, vocab_size: int) -> Vocabulary:
    """That of models with d = aspect n_layer, 12 d^3 / aspect parameters and a vocabulary of vocab_size d."""
    return Vocabulary(vocab_size * (aspect / 12) ** CUBE_ROOT)


def fit_vocabulary(n_params: ArrayLike, n_total: ArrayLike, power: float | None = CUBE_ROOT) -> Vocabulary:
    """Fit omega, and the power if it is None, by least squares of ln N_total.

    Parameters
    ----------
    n_params, n_total : array_like (n,)
        Sizes without and with the vocabulary.
    power : float or None
        Held, unless it is None.

    Returns
    -------
    Vocabulary
    """
    N, log_total = np.asarray(n_params, float), np.log(np.asarray(n_total, float))
    log_n = np.log(N)
    log_extra = np.log(np.exp(log_total) - N)

    def misfit(z: Array) -> float:
        fitted = np.logaddexp(log_n, z[0] + (z[1] if power is None else power) * log_n)
        return float(((fitted - log_total) ** 2).sum())

    start = np.polyfit(log_n, log_extra, 1)[::-1] if power is None else [(log_extra - power * log_n).mean()]
    z = minimize(misfit, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-16, "maxiter": 5000}).x
    return Vocabulary(float(np.exp(z[0])), float(z[1]) if power is None else power)


def local_exponent(vocabulary: Vocabulary, alpha: ArrayLike, beta: ArrayLike, n_params: ArrayLike) -> Array:
    """Local exponent g = d ln N_opt / d ln C where the best size is N, neither counting the vocabulary.

    1/g = 1 + (alpha s - d ln s / d ln N) / beta, which is Pearce and Song's formula at a power of 1/3. It depends on
    omega, the power, alpha and beta alone, and is beta / (alpha + beta) without a vocabulary. Draws of alpha and beta
    broadcast.
    """
    push = np.asarray(alpha) * vocabulary.elasticity(n_params) - vocabulary.bend(n_params)
    return 1 / (1 + push / np.asarray(beta))


def compute_of_best(vocabulary: Vocabulary, params: Mapping[str, ArrayLike], n_params: ArrayLike) -> Array:
    """C = 6 N D, without the vocabulary, at which N is the best size.

    ``params`` are E, A, B, alpha and beta of Chinchilla's law in N_total.
    """
    A, B, alpha, beta = (np.asarray(params[name], float) for name in ("A", "B", "alpha", "beta"))
    N = np.asarray(n_params, float)
    gain = alpha * A * vocabulary.total(N) ** -alpha * vocabulary.elasticity(N)
    return FLOPS_PER_PARAM_TOKEN * N * (beta * B / gain) ** (1 / beta)


def mean_exponent(vocabulary: Vocabulary, params: Mapping[str, ArrayLike], n_low: float, n_high: float) -> Array:
    """Mean of g between two best sizes, over ln C: d ln N_opt over d ln C from end to end."""
    C = [compute_of_best(vocabulary, params, n) for n in (n_low, n_high)]
    return np.log(n_high / n_low) / (np.log(C[1]) - np.log(C[0]))


def loss_slope(vocabulary: Vocabulary, params: Mapping[str, ArrayLike], n_params: ArrayLike) -> Array:
    """Slope k = d ln L_opt / d ln C where the best size is N: only the term in D moves (envelope theorem)."""
    B, beta, E = (np.asarray(params[name], float) for name in ("B", "beta", "E"))
    N = np.asarray(n_params, float)
    term_d = B * (compute_of_best(vocabulary, params, N) / (FLOPS_PER_PARAM_TOKEN * N)) ** -beta
    loss = E + np.asarray(params["A"], float) * vocabulary.total(N) ** -np.asarray(params["alpha"], float) + term_d
    return -beta * term_d / loss
