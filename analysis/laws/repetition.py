"""Repeated tokens and excess parameters, which count less and less (Muennighoff et al. 2023)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def saturate(total: ArrayLike, unique: ArrayLike, scale: ArrayLike) -> NDArray[np.float64]:
    """Effective amount of ``total``, of which ``unique`` is worth its face value.

    U + U R* (1 - exp(-R / R*)) with R = total / U - 1 repetitions (Muennighoff et al. 2023, eq. 5).
    """
    unique, scale = np.asarray(unique, float), np.asarray(scale, float)
    repetitions = np.asarray(total, float) / unique - 1
    return unique * (1 - scale * np.expm1(-repetitions / scale))


def effective_inputs(
    inputs: Mapping[str, ArrayLike], G: ArrayLike, power: ArrayLike, scales: tuple[ArrayLike, ArrayLike]
) -> dict[str, Any]:
    """N' and D' of that paper in the place of N and D.

    Parameters
    ----------
    inputs : mapping
        N, D and U, the unique tokens.
    G, power : array_like
        N_opt(D) = G (D G)^power is the size that D tokens are compute-optimal for; power = beta / alpha.
        Parameters beyond N_opt(U) are in excess.
    scales : (array_like, array_like)
        R_D* and R_N*.

    Returns
    -------
    dict
        N and D.
    """
    n, d = np.asarray(inputs["N"], float), np.asarray(inputs["D"], float)
    unique_d = np.minimum(np.asarray(inputs["U"], float), d)
    unique_n = np.minimum(n, np.asarray(G) * (unique_d * np.asarray(G)) ** np.asarray(power))
    return {"N": saturate(n, unique_n, scales[1]), "D": saturate(d, unique_d, scales[0])}
