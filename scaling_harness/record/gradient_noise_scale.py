"""Gradient noise scale B_simple = tr(Sigma) / |G|^2 with its interval, from unbiased measurements of both.

G is the mean gradient, Sigma the covariance of the gradients of single sequences (McCandlish et al. 2018, arXiv
1812.06162, eq. 2.9), both before the optimizer transforms them. One measurement is noisy and its ratio biased, so each
of the two is averaged over measurements before they are divided.

A value is given only where the interval of |G|^2 excludes zero, which picks the draws in which |G|^2 came out large:
with |G|^2 at one to two standard errors, the values given are .4 to .75 of the truth in the median (simulated in the
tests); from three on, .93.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

MIN_MEASUREMENTS = 3
WINDOW = 1 / 3
"""Share of the steps so far that a scale is averaged over, the latest ones: it grows while the loss falls."""


@dataclass(frozen=True)
class Measurement:
    """Unbiased estimates at one point of training; either may be negative."""

    step: int
    """Number of steps done."""
    grad_sq: float
    """|G|^2 of the loss in nats per token."""
    trace: float
    """tr(Sigma) of single sequences, in the same unit."""


@dataclass(frozen=True)
class NoiseScale:
    """Estimate from several measurements; None, with the reason, for what they do not determine."""

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
    """Estimate |G|^2 and tr(Sigma) from the gradients of n sequences.

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
        |G|^2 and tr(Sigma) by McCandlish et al. (2018), appendix A.1, with a small batch of 1 and a large one of n.
    """
    grad_sq = (n_seqs * square_of_mean - mean_square) / (n_seqs - 1)
    trace = (mean_square - square_of_mean) / (1 - 1 / n_seqs)
    return grad_sq, trace


def latest(measurements: Sequence[Measurement], n_steps: int) -> list[Measurement]:
    """Measurements in the last third of `n_steps`."""
    return [m for m in measurements if (1 - WINDOW) * n_steps < m.step <= n_steps]


def noise_scale(measurements: Sequence[Measurement]) -> NoiseScale:
    """Ratio of means with Fieller's 95 % interval (1954), which is bounded if that of |G|^2 excludes zero.

    Parameters
    ----------
    measurements : sequence of Measurement
        Assumed to be independent.

    Returns
    -------
    NoiseScale
    """
    return noise_scale_of(np.array([(m.grad_sq, m.trace) for m in measurements]))


def noise_scale_of(values: np.ndarray) -> NoiseScale:
    """As `noise_scale`, from |G|^2 and tr(Sigma) of each measurement, shape (n, 2)."""
    n = len(values)
    if n == 0:
        return NoiseScale(0, None, None, None, None, None, None, "no measurement")
    grad_sq, trace = (float(x) for x in values.mean(0))
    if n < MIN_MEASUREMENTS:
        return NoiseScale(n, grad_sq, None, trace, None, None, None, f"{n} of {MIN_MEASUREMENTS} measurements needed")
    covariance = np.cov(values.T) / n
    grad_sq_stderr, trace_stderr = (float(x) for x in np.sqrt(covariance.diagonal()))
    ci95 = _fieller(grad_sq, trace, covariance, t95(n - 1))
    reason = None if ci95 else f"the 95 % interval of |G|^2 from {n} measurements reaches zero"
    return NoiseScale(n, grad_sq, grad_sq_stderr, trace, trace_stderr, trace / grad_sq if ci95 else None, ci95, reason)


def _fieller(below: float, above: float, covariance: np.ndarray, t: float) -> tuple[float, float] | None:
    """Interval of ratios r for which above - r below is within t standard errors of zero; None if it is unbounded."""
    (var_below, shared), (_, var_above) = covariance.tolist()
    a, b, c = below**2 - t**2 * var_below, above * below - t**2 * shared, above**2 - t**2 * var_above
    if below <= 0 or a <= 0:
        return None
    half = max(b**2 - a * c, 0.0) ** 0.5
    return (b - half) / a, (b + half) / a


def t95(dof: int) -> float:
    """97.5 % quantile of Student's t (Abramowitz and Stegun 1964, 26.7.5), within 1 % from 2 degrees of freedom on.

    Written out because importing scipy takes a worker longer than all the measurements of a short run.
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
    """Summarise the last third of a run for its record.

    Parameters
    ----------
    measurements : sequence of Measurement
        Measurements of the whole run.
    n_steps : int
        Length of the run.
    n_seqs : int
        Sequences per measurement.
    n_ctx : int
        Tokens per sequence. B_simple in tokens is B_simple in sequences times this, as a batch holds whole sequences.

    Returns
    -------
    dict
        First and last step, |G|^2 and tr(Sigma) with standard errors, B_simple in sequences and tokens with 95 %
        intervals, and the reason if it is None.
    """
    in_window = latest(measurements, n_steps)
    scale = noise_scale(in_window)
    return {
        "first_step": in_window[0].step if in_window else None,
        "last_step": in_window[-1].step if in_window else None,
        "n_measurements": scale.n_measurements,
        "seqs_per_measurement": n_seqs,
        "grad_sq": scale.grad_sq,
        "grad_sq_stderr": scale.grad_sq_stderr,
        "trace": scale.trace,
        "trace_stderr": scale.trace_stderr,
        "noise_scale_seqs": scale.seqs,
        "noise_scale_tokens": scale.seqs and scale.seqs * n_ctx,
        "ci95_seqs": scale.ci95_seqs and list(scale.ci95_seqs),
        "ci95_tokens": scale.ci95_seqs and [bound * n_ctx for bound in scale.ci95_seqs],
        "reason": scale.reason,
    }
