"""Steps against batch, and the batch beyond which more tokens a step hardly save steps.

S steps of B tokens reach a loss that at least S_min steps, or E_min tokens, would: (S/S_min - 1)(E/E_min - 1) = 1
with E = B S (McCandlish et al. 2018, eq. 2.11; Kaplan et al. 2020, eq. 5.1). That is S = S_min + E_min/B, which is
what is fitted; B_crit = E_min/S_min takes twice S_min and twice E_min.
"""

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.laws.law import Law, Term

steps_of_batch = Law(
    name="steps_of_batch",
    formula="S(B) = S_min + E_min/B",
    source="McCandlish et al. 2018, eq. 2.11, 2.12; Kaplan et al. 2020, eq. 5.1, 5.2",
    predicts="S",
    terms=(Term("E_min", {"B": 1.0}),),
    offset="S_min",
    derived=lambda params: {"B_crit": params["E_min"] / params["S_min"]},
)
critical_batch = Law(
    name="critical_batch",
    formula="B_crit(L) = B_*/L^(1/alpha_B)",
    source="Kaplan et al. 2020, eq. 1.4 and 5.3",
    predicts="B_crit",
    terms=(Term("B_*", {"L": "1/alpha_B"}),),
    offset=None,
    bounds={"1/alpha_B": (0.0, 100.0)},
    derived=lambda params: {"alpha_B": 1 / params["1/alpha_B"]},
)


def min_steps(n_steps: ArrayLike, batch_tokens: ArrayLike, critical_tokens: ArrayLike) -> Array:
    """S_min, the steps that the same loss takes at a batch far above the critical one (Kaplan et al. 2020, eq. 5.4).

    Parameters
    ----------
    n_steps, batch_tokens : array_like
        Of the runs.
    critical_tokens : array_like
        B_crit at the loss that they reached.

    Returns
    -------
    ndarray
    """
    return np.asarray(n_steps, float) / (1 + np.asarray(critical_tokens, float) / np.asarray(batch_tokens, float))


def min_flops(train_flops: ArrayLike, batch_tokens: ArrayLike, critical_tokens: ArrayLike) -> Array:
    """C_min, the compute that the same loss takes at a batch far below the critical one (Kaplan et al. 2020, eq. 5.5).

    Parameters
    ----------
    train_flops : array_like
        Of the runs; given their tokens E it is E_min, as C goes as E.
    batch_tokens, critical_tokens : array_like
        As for `min_steps`.

    Returns
    -------
    ndarray
    """
    return np.asarray(train_flops, float) / (1 + np.asarray(batch_tokens, float) / np.asarray(critical_tokens, float))


def batch_of_overhead(critical_tokens: ArrayLike, best_batch: ArrayLike, overhead: float = 0.2) -> Array:
    """Largest batch that takes at most so many more tokens than the best one does (Zhang et al. 2024, section 2).

    Parameters
    ----------
    critical_tokens : array_like
        B_crit = E_min/S_min.
    best_batch : array_like
        The batch of least tokens, in the same unit; 256 sequences in the paper.
    overhead : float
        Share of more tokens: B S_min + E_min may be 1 + overhead times what it is at the best batch.

    Returns
    -------
    ndarray
    """
    return overhead * np.asarray(critical_tokens, float) + (1 + overhead) * np.asarray(best_batch, float)


def doubled_batch(batch_tokens: ArrayLike, critical_tokens: ArrayLike) -> tuple[Array, Array]:
    """Steps and tokens to a loss with twice the batch, over those with it (Kaplan et al. 2020, eq. 5.1).

    Parameters
    ----------
    batch_tokens, critical_tokens : array_like
        The batch, and the critical one at that loss, in the same unit.

    Returns
    -------
    ndarray, ndarray
        Far below the critical batch 1/2 and 1, far above it 1 and 2.

    Examples
    --------
    >>> [float(ratio) for ratio in doubled_batch(100, 100)]
    [0.75, 1.5]
    """
    ratio = np.asarray(critical_tokens, float) / np.asarray(batch_tokens, float)
    steps = (1 + ratio / 2) / (1 + ratio)
    return steps, 2 * steps


def adaptive_gain(min_steps_each: ArrayLike, noise_tokens: ArrayLike) -> float:
    """Gamma of (S/S_min - 1)(E/E_min - 1) = gamma if the batch follows the noise scale; of a fixed batch it is 1.

    With a batch of sqrt(r B_noise) both cost integrals differ from their least by the integral of sqrt(B_noise), so
    that gamma is its square over S_min E_min (McCandlish et al. 2018, appendix D); 1 if the noise scale stays the same.

    Parameters
    ----------
    min_steps_each : array_like
        Least steps of each stretch of training.
    noise_tokens : array_like
        Noise scale, or local critical batch, of each.
    """
    steps, noise = np.asarray(min_steps_each, float), np.asarray(noise_tokens, float)
    return float((np.sqrt(noise) * steps).sum() ** 2 / (steps.sum() * (noise * steps).sum()))


def doubled_batches(critical_tokens: ArrayLike, first: float) -> Array:
    """Double the batch as soon as the local critical one is above twice it (Merrill et al. 2025, batch warm-up).

    Parameters
    ----------
    critical_tokens : array_like
        Local critical batch along training, in order.
    first : float
        Batch at the start.

    Returns
    -------
    ndarray
        The batch along training: the first times a power of 2, never falling.

    Examples
    --------
    >>> doubled_batches([100, 600, 300, 1000, 4100], first=256).tolist()
    [256.0, 512.0, 512.0, 512.0, 4096.0]
    """
    highest = np.maximum.accumulate(np.asarray(critical_tokens, float))
    n_doublings = np.ceil(np.log2(np.maximum(highest / first, 1.0))) - 1
    return first * 2 ** np.maximum(n_doublings, 0.0)
