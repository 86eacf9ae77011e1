"""Loss against data from random guessing to the irreducible loss, in one bounded form.

L(D) = E + (L_0 - E) h / (1 + h) with h = (D_0 / D)^beta. Hestness et al. 2017 (arXiv 1712.00409, figure 6) see three
regions: guessing, a power law, the irreducible loss. They are told apart by the slope of ln L in ln D: the power law is
where it is at least half of its largest.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array

PARAMS = ("E", "L_0", "D_0", "beta")
_FAR = 40.0
"""Natural logarithms from D_0, beyond which nothing is looked for."""


def bounded(params: Mapping[str, float], n_tokens: ArrayLike) -> Array:
    """The loss at D; parameters are those of `PARAMS`."""
    h = (params["D_0"] / np.asarray(n_tokens, float)) ** params["beta"]
    return params["E"] + (params["L_0"] - params["E"]) * h / (1 + h)


def slope(params: Mapping[str, float], n_tokens: ArrayLike) -> Array:
    """Minus the slope of ln L in ln D."""
    h = (params["D_0"] / np.asarray(n_tokens, float)) ** params["beta"]
    fall = params["beta"] * (params["L_0"] - params["E"]) * h / (1 + h) ** 2
    return fall / bounded(params, n_tokens)


def boundaries(params: Mapping[str, float]) -> tuple[float, float]:
    """D between which the slope is at least half of its largest; the second is infinite if E is 0."""
    x = np.linspace(-_FAR, _FAR, 8001)
    steep = slope(params, params["D_0"] * np.exp(x))
    inside = np.flatnonzero(steep >= steep.max() / 2)
    first, last = params["D_0"] * np.exp(x[inside[[0, -1]]])
    return (0.0 if inside[0] == 0 else float(first)), (np.inf if inside[-1] == len(x) - 1 else float(last))
