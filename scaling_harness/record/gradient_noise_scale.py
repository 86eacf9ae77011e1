"""B_simple = tr(Sigma) / |G|^2 with its interval, from unbiased measurements of both. No torch.

G is the mean gradient, Sigma the covariance of the gradients of one sequence (McCandlish et al. 2018, arXiv
1812.06162, eq. 2.9), both over the raw parameters, whatever the optimizer makes of them. One measurement is noisy and
its ratio biased: the two are averaged over measurements before they are divided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

MIN_MEASUREMENTS = 3
WINDOW = 1 / 3
"""A scale is that of the last third of the steps so far: it grows while the loss falls."""


@dataclass(frozen=True)
class Measurement:
    """Unbiased estimates at one point of training; either may be negative."""

    step: int
    """Steps done."""
    grad_sq: float
    """|G|^2, of the gradient of nats a token."""
    trace: float
    """tr(Sigma) of single sequences, in the same unit."""


@dataclass(frozen=True)
class NoiseScale:
    """What some measurements say together; None where they cannot say it, with the reason."""

    n_measurements: int
    grad_sq: float | None
    grad_sq_stderr: float | None
    trace: float | None
    trace_stderr: float | None
    seqs: float | None
    """B_simple in sequences."""
    ci95_seqs: tuple[float, float] | None
    reason: str | None


def unbiased(mean_square: float, square_of_mean: float, n_seqs: int) -> tuple[float, float]:
    """|G|^2 and tr(Sigma) from the gradients of n sequences.

    Parameters
    ----------
    mean_square : float
        Mean of |g_i|^2 over sequences.
    square_of_mean : float
        |mean of g_i|^2.
    n_seqs : int
        2 or more.

    Returns
    -------
    tuple of float
        McCandlish et al. (2018), appendix A.1, with a small batch of 1 and a large one of n.
    """
    grad_sq = (n_seqs * square_of_mean - mean_square) / (n_seqs - 1)
    trace = (mean_square - square_of_mean) / (1 - 1 / n_seqs)
    return grad_sq, trace


def latest(measurements: Sequence[Measurement], n_steps: int) -> list[Measurement]:
    """Those of the last third of so many steps."""
    return [m for m in measurements if (1 - WINDOW) * n_steps < m.step <= n_steps]


def noise_scale(measurements: Sequence[Measurement]) -> NoiseScale:
    """Ratio of means with Fieller's 95 % interval (1954), which is bounded where that of |G|^2 excludes zero.

    Parameters
    ----------
    measurements : sequence of Measurement
        Taken as independent.

    Returns
    -------
    NoiseScale
    """
    n = len(measurements)
    if n == 0:
        return NoiseScale(0, None, None, None, None, None, None, "no measurement")
    values = np.array([(m.grad_sq, m.trace) for m in measurements])
    grad_sq, trace = (float(x) for x in values.mean(0))
    if n < MIN_MEASUREMENTS:
        return NoiseScale(n, grad_sq, None, trace, None, None, None, f"{n} of {MIN_MEASUREMENTS} measurements needed")
    covariance = np.cov(values.T) / n
    grad_sq_stderr, trace_stderr = (float(x) for x in np.sqrt(covariance.diagonal()))
    ci95 = _fieller(grad_sq, trace, covariance, t95(n - 1))
    reason = None if ci95 else f"the 95 % interval of |G|^2 from {n} measurements reaches zero"
    return NoiseScale(n, grad_sq, grad_sq_stderr, trace, trace_stderr, trace / grad_sq if ci95 else None, ci95, reason)


def _fieller(below: float, above: float, covariance: np.ndarray, t: float) -> tuple[float, float] | None:
    """Ratios r for which above - r below is within t standard errors of zero; None where they have no end."""
    (var_below, shared), (_, var_above) = covariance.tolist()
    a, b, c = below**2 - t**2 * var_below, above * below - t**2 * shared, above**2 - t**2 * var_above
    if below <= 0 or a <= 0:
        return None
    half = max(b**2 - a * c, 0.0) ** 0.5
    return (b - half) / a, (b + half) / a


def t95(dof: int) -> float:
    """97.5 % quantile of Student's t (Abramowitz and Stegun 1964, 26.7.5), within 1 % from 2 degrees of freedom on.

    By hand, as importing scipy takes a worker longer than all the measurements of a short run.
    """
    z = NormalDist().inv_cdf(0.975)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / dof**k for k, term in enumerate(terms, start=1))


def summary(measurements: Sequence[Measurement], n_steps: int, n_seqs: int, n_ctx: int) -> dict[str, Any]:
    """The last third of a run, as its record keeps it.

    Parameters
    ----------
    measurements : sequence of Measurement
        Of the whole run.
    n_steps : int
        Its length.
    n_seqs : int
        Sequences a measurement took.
    n_ctx : int
        Tokens a sequence: B_simple in tokens is that in sequences times this, as a batch holds whole sequences.

    Returns
    -------
    dict
        First and last step, |G|^2 and tr(Sigma) with standard errors, B_simple in sequences and tokens with 95 %
        intervals, and the reason where it is None.
    """
    taken = latest(measurements, n_steps)
    found = noise_scale(taken)
    return {
        "first_step": taken[0].step if taken else None,
        "last_step": taken[-1].step if taken else None,
        "n_measurements": found.n_measurements,
        "seqs_per_measurement": n_seqs,
        "grad_sq": found.grad_sq,
        "grad_sq_stderr": found.grad_sq_stderr,
        "trace": found.trace,
        "trace_stderr": found.trace_stderr,
        "noise_scale_seqs": found.seqs,
        "noise_scale_tokens": found.seqs and found.seqs * n_ctx,
        "ci95_seqs": found.ci95_seqs and list(found.ci95_seqs),
        "ci95_tokens": found.ci95_seqs and [bound * n_ctx for bound in found.ci95_seqs],
        "reason": found.reason,
    }
