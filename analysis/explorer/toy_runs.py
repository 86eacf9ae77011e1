"""The runs of Weng's toy simulation ("Scaling Laws, Carefully", 2026): a known law, seen through small errors."""

from typing import Any

import numpy as np

from analysis.laws.chinchilla import chinchilla
from analysis.laws.published import PUBLISHED

TRUTH = PUBLISHED["besiroglu2024"]
SIZES = np.array([m * 10.0**power for power in (8, 9, 10) for m in (1, 3, 7)])
TOKENS_PER_PARAM = np.array([5.0, 10.0, 20.0, 40.0])
REGIONS = {"small": (0, 3), "medium": (2, 5), "all": (0, len(SIZES) - 1)}
"""Name of a fit region -> first and last size in it."""


def toy_document() -> dict[str, Any]:
    """Truth, runs and regions as the page takes them.

    Returns
    -------
    dict
        ``truth``: the law's parameters. ``regions``. ``runs``: a dict each of 9 sizes at 4 tokens a parameter, with
        ``size`` (its place), ``n_params``, ``n_tokens``, ``loss`` of the truth, ``ripple`` that is always added, and
        ``tilt``, of which the page adds m thousandths before it rounds.
    """
    return {"truth": TRUTH.params, "regions": REGIONS, "runs": _runs()}


def _runs() -> list[dict[str, float]]:
    n, r = (grid.ravel() for grid in np.indices((len(SIZES), len(TOKENS_PER_PARAM))))
    N, D = SIZES[n], SIZES[n] * TOKENS_PER_PARAM[r]
    columns = {
        "size": n,
        "n_params": N,
        "n_tokens": D,
        "loss": chinchilla.predict(TRUTH.params, N=N, D=D),
        "ripple": 0.010 * np.sin(1.91 * (n + 1) + 2.67 * (r + 1)) + 0.004 * np.where((n + r) % 2 == 0, 1, -1),
        "tilt": _tilt(_normalised(N), _normalised(D)),
    }
    return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def _tilt(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The noise whose size the reader sets: smooth in N and D, so that it bends the law and averages out nowhere."""
    return 1.15 * (x - 0.5) - 0.95 * (z - 0.5) + 0.8 * (x - 0.5) * (z - 0.5) + 0.2 * np.sin(8 * x + 5 * z)


def _normalised(values: np.ndarray) -> np.ndarray:
    """Logarithms from 0 to 1."""
    logs = np.log(values)
    return (logs - logs.min()) / np.ptp(logs)
