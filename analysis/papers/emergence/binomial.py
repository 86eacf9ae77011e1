"""Two curves of a share of right answers against ln N, fitted by binomial likelihood.

The logistic p = 1 / (1 + exp(-k (log10 N - T))) is linear in ln N after ln(p / (1 - p)). Answers of k tokens that are
each right with p = exp(-A / N^alpha), whose mean loss is a power law, have p^k, linear after ln(-ln p).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from scaling_harness.errors import HarnessError, UserError

MIN_SIZES = 3
STEPS = 200
SETTLED = 1e-10
Z95 = 1.96
TINY = 1e-12  # shares are kept this far from 0 and 1


@dataclass(frozen=True)
class Link:
    """What is linear in log10 N.

    Attributes
    ----------
    share, slope : callable
        The share of right answers, and its derivative.
    inverse : callable
        The linear part of a share.
    """

    share: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


def _logistic(eta: Array) -> Array:
    return 1 / (1 + np.exp(-eta))


LOGISTIC = Link(_logistic, lambda eta: _logistic(eta) * _logistic(-eta), lambda p: np.log(p / (1 - p)))
POWER = Link(
    lambda eta: np.exp(-np.exp(eta)),
    lambda eta: -np.exp(eta - np.exp(eta)),
    lambda p: np.log(-np.log(p)),
)
"""Of one token; of k tokens, ln k is added to the linear part."""
LINKS: Mapping[str, Link] = {"logistic": LOGISTIC, "p^k": POWER}


@dataclass(frozen=True)
class Curve:
    """A fitted curve.

    Attributes
    ----------
    link : Link
    beta : array (2,)
        Constant and slope of the linear part in log10 N.
    covariance : array (2, 2)
        Widened where shares scatter more than drawing answers does.
    log_likelihood : float
        Without the binomial coefficients, which are the same for all curves.
    dispersion : float
        Pearson's chi-square over its degrees of freedom: 1 if drawing answers is all that makes shares scatter.
    """

    link: Link
    beta: Array
    covariance: Array
    log_likelihood: float
    dispersion: float

    def share(self, n_params: ArrayLike, n_tokens: int = 1) -> Array:
        """Share of right answers of so many times the tokens that were fitted (p^k alone)."""
        eta = self.beta[0] + self.beta[1] * np.log10(np.asarray(n_params, float)) + np.log(n_tokens)
        return self.link.share(eta)

    def threshold(self, share: float = 0.5) -> Estimate:
        """Log10 N at which a share of the answers is right."""
        eta = float(self.link.inverse(np.array(share)))
        value = (eta - self.beta[0]) / self.beta[1]
        gradient = -np.array([1.0, value]) / self.beta[1]
        error = float(np.sqrt(gradient @ self.covariance @ gradient))
        return Estimate(float(value), error, (float(value - Z95 * error), float(value + Z95 * error)))


def fit_curve(link: Link, n_params: ArrayLike, right: ArrayLike, answers: ArrayLike) -> Curve:
    """Fit a curve by binomial likelihood (Fisher's scoring).

    Parameters
    ----------
    link : Link
        One of `LINKS`.
    n_params : array (n,)
        N.
    right, answers : array (n,)
        Answers without an error, and all.

    Returns
    -------
    Curve

    Raises
    ------
    UserError
        A share outside [0, 1], or too few sizes.
    HarnessError
        No size lies between, so that no slope is finite.
    """
    n, y, m = (np.asarray(values, float) for values in (n_params, right, answers))
    _check(n, y, m)
    X = np.column_stack([np.ones(len(n)), np.log10(n)])
    beta = np.asarray(np.linalg.lstsq(X, link.inverse((y + 0.5) / (m + 1)))[0], float)
    likelihood = log_likelihood(link.share(X @ beta), y, m)
    for _ in range(STEPS):
        information, score = _information(link, X, beta, y, m)
        step = np.asarray(np.linalg.solve(information, score), float)
        better = [beta + step / 2.0**k for k in range(20)]
        found = next((b for b in better if log_likelihood(link.share(X @ b), y, m) > likelihood), None)
        if found is None or np.abs(found - beta).max() < SETTLED:
            break
        beta, likelihood = found, log_likelihood(link.share(X @ found), y, m)
    information, _ = _information(link, X, beta, y, m)
    p = np.clip(link.share(X @ beta), TINY, 1 - TINY)
    dispersion = float(((y - m * p) ** 2 / (m * p * (1 - p))).sum() / max(1, len(n) - 2))
    return Curve(
        link, beta, np.asarray(np.linalg.inv(information), float) * max(1.0, dispersion), likelihood, dispersion
    )


def _check(n: Array, y: Array, m: Array) -> None:
    if (wrong := (y < 0) | (y > m) | (m <= 0)).any():
        i = int(wrong.argmax())
        raise UserError(f"{y[i]:g} right of {m[i]:g} answers at N = {n[i]:g} is no share between 0 and 1")
    if (n_sizes := len(np.unique(n))) < MIN_SIZES:
        raise UserError(f"a curve of right answers against N needs {MIN_SIZES} sizes: there are {n_sizes}")
    if len(np.unique(n[(y > 0) & (y < m)])) < 2:
        raise HarnessError(
            "fewer than two sizes give some right and some wrong answers, so that a curve through them may be as steep "
            "as one likes: train sizes between, or ask for answers of other lengths"
        )


def _information(link: Link, X: Array, beta: Array, y: Array, m: Array) -> tuple[Array, Array]:
    """Fisher's information and the score."""
    eta = X @ beta
    p, slope = np.clip(link.share(eta), TINY, 1 - TINY), link.slope(eta)
    weight = m * slope**2 / (p * (1 - p))
    score = (y - m * p) * slope / (p * (1 - p))
    return (X * weight[:, None]).T @ X + 1e-12 * np.eye(2), X.T @ score


def log_likelihood(p: Array, right: Array, answers: Array) -> float:
    """Ln of the probability of these right answers in their order."""
    p = np.clip(p, TINY, 1 - TINY)
    return float((right * np.log(p) + (answers - right) * np.log1p(-p)).sum())
