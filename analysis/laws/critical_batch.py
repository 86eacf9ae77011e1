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
