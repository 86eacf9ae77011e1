"""The parametric law's optimum when compute is the exact count of matrix products in place of 6 N D."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.result import FitResult

EXACT = "train_flops_matmul"
N_SIZES = 400
N_BUDGETS = 40


@dataclass(frozen=True)
class ExactAllocation:
    """Exponents of N_opt and D_opt in exact FLOPs, and how far those are from 6 N D.

    ``ratio`` is the smallest and the largest exact FLOPs over 6 N D among the runs.
    """

    a: Estimate
    b: Estimate
    ratio: tuple[float, float]


def exact_allocation(frame: pd.DataFrame, parametric: FitResult) -> ExactAllocation | None:
    """Minimise the fitted L(N, D) at fixed exact FLOPs, over the sizes and budgets trained.

    Parameters
    ----------
    frame : DataFrame
        N, D, C and `train_flops_matmul`; their ratio is a function of the shape alone and is
        interpolated between the sizes in logs.
    parametric : FitResult
        A law in N and D with its resampled parameters.

    Returns
    -------
    ExactAllocation or None
        None if the runs do not have the exact count.
    """
    if EXACT not in frame:
        return None
    sizes, first = np.unique(frame["N"].to_numpy(float), return_index=True)
    ratio = (frame[EXACT].to_numpy(float) / frame["C"].to_numpy(float))[first]
    N = np.geomspace(sizes[0], sizes[-1], N_SIZES)
    C = np.geomspace(frame[EXACT].min(), frame[EXACT].max(), N_BUDGETS)
    D_NC = C / (6 * N * np.exp(np.interp(np.log(N), np.log(sizes), np.log(ratio))))[:, None]
    a, b = _slopes(parametric, N, D_NC, C, {name: np.array([value]) for name, value in parametric.values.items()})
    a_K, b_K = _slopes(parametric, N, D_NC, C, parametric.draws) if parametric.draws else (np.array([]),) * 2
    limits = (float(ratio.min()), float(ratio.max()))
    return ExactAllocation(Estimate.from_draws(float(a[0]), a_K), Estimate.from_draws(float(b[0]), b_K), limits)


def _slopes(parametric: FitResult, N: Array, D_NC: Array, C: Array, draws: Mapping[str, Array]) -> tuple[Array, Array]:
    """Slopes of ln N_opt and ln D_opt in ln C for every draw; budgets with the optimum at the edge are left out."""
    slopes = np.full((2, len(next(iter(draws.values())))), np.nan)
    for k, params in enumerate(zip(*draws.values(), strict=True)):
        best = parametric.law.predict(dict(zip(draws, params, strict=True)), N=N[:, None], D=D_NC).argmin(axis=0)
        inside = np.flatnonzero((best > 0) & (best < len(N) - 1))
        if len(inside) > 2:
            for row, value in zip(slopes, (N[best], D_NC[best, np.arange(len(C))]), strict=True):
                row[k] = np.polyfit(np.log(C[inside]), np.log(value[inside]), 1)[0]
    return slopes[0], slopes[1]
