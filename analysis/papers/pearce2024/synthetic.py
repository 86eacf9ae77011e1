"""Pearce and Song's synthetic experiment: Chinchilla's law at Kaplan's sizes, read with both counts.

Twenty sizes of 10^2.9 to 10^9.2 parameters without the vocabulary, one aspect, 1,000 lengths; at each of 100 budgets
the size of lowest loss, and a line through ln N and ln L against ln C, as their script does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from analysis.arrays import Array
from analysis.laws.chinchilla import chinchilla
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.laws.published import PUBLISHED
from analysis.laws.vocabulary import PUBLISHED as VOCABULARY

SIZES = np.logspace(2.9, 9.2, 20)
LENGTHS = np.logspace(6, 25, 1000)
BUDGETS: Mapping[str, tuple[float, float]] = MappingProxyType({"non_embedding": (12.95, 20.7), "total": (14, 20.7)})
"""Decades of C by what N and C count; a version of their script starts at 13.4, below the smallest size's best."""
TRUTHS = ("besiroglu2024", "hoffmann2022")
"""Chinchilla's law as refitted, from which .78 comes, and as Hoffmann et al. print it, which gives .73 to .74."""


@dataclass(frozen=True)
class Frontier:
    """The best of the synthetic runs at each budget, arrays; slopes of ln N, ln L and ln(L - E) in ln C."""

    C: Array
    N: Array
    L: Array
    size: float
    loss: float
    reducible: float


@cache
def synthetic_frontier(truth: str, count: str) -> Frontier:
    """The frontier as Kaplan ("non_embedding") or Chinchilla ("total") would have drawn it.

    Parameters
    ----------
    truth : str
        Of `TRUTHS`: whose constants the losses are of.
    count : str
        What N and C count: a key of `BUDGETS`.

    Returns
    -------
    Frontier
        Its ``size`` is the predicted exponent of the best size.
    """
    params = PUBLISHED[truth].params
    total = VOCABULARY.total(SIZES)
    counted = SIZES if count == "non_embedding" else total
    log_c = np.log(FLOPS_PER_PARAM_TOKEN * counted[:, None] * LENGTHS)
    C = np.logspace(*BUDGETS[count], 100)
    at = np.stack([np.abs(row[:, None] - np.log(C)).argmin(axis=0) for row in log_c])
    loss_NC = chinchilla.predict(params, N=total[:, None], D=LENGTHS[at])
    best = loss_NC.argmin(axis=0)
    L = loss_NC.min(axis=0)
    size, loss, reducible = (float(np.polyfit(np.log(C), np.log(y), 1)[0]) for y in (counted[best], L, L - params["E"]))
    return Frontier(C, counted[best], L, size, loss, reducible)


def predicted_exponents() -> dict[tuple[str, str], float]:
    """Exponents of the best size by whose constants and by what is counted: .78 and .74 without the vocabulary.

    A step of a reconciliation: what is measured with Kaplan's count at Kaplan's sizes where Chinchilla's law holds.
    """
    return {(truth, count): synthetic_frontier(truth, count).size for truth in TRUTHS for count in BUDGETS}
