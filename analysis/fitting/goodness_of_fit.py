"""Does the law fit, and do the data bound E? Residuals against seed noise, and a profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from analysis.arrays import Array
from analysis.fitting.objective import LEAST_SQUARES, Objective
from analysis.fitting.optimum import Point, fit_point
from analysis.fitting.profile import profile
from analysis.laws.law import Law
from analysis.runs.replicates import SeedNoise, falling_noise
from analysis.to_json import document


@dataclass(frozen=True)
class FitQuality:
    """Residuals of the cell means beside what seeds alone imply.

    Attributes
    ----------
    residual_rms : float
        Root mean square of ln L - ln L_hat over cells, weighted by their seeds (n - P degrees of freedom).
    seed_rms : float or None
        Root mean square of the seed noise of the same cell means, under the same weights; None without replicates.
    ratio : float or None
        ``residual_rms`` divided by ``seed_rms``: near 1 the law fits as well as seeds allow.
    lack_of_fit_p : float or None
        p value of the F test of a least-squares fit: small means the law misses more than noise.
    lack_of_fit_p_falling : mapping
        The same if the noise falls with D, or with C, as `replicates.FALL_WITH_COMPUTE` says: seeds of a few cheap
        cells cannot tell.
    """

    residual_rms: float
    seed_rms: float | None
    ratio: float | None
    lack_of_fit_p: float | None
    lack_of_fit_p_falling: Mapping[str, float] = field(default_factory=dict)


def fit_quality(law: Law, cells: pd.DataFrame, noise: SeedNoise | None, residual_rms: float) -> FitQuality:
    """Compare a law's residuals, of a fit that weights cells by their seeds, with the noise of seeds."""
    if noise is None or noise.sd == 0.0:
        return FitQuality(residual_rms, None, None, None)
    seed_rms = float(np.sqrt((noise.of_runs(cells) ** 2).mean() / cells.n_seeds.mean()))
    if len(cells) <= law.n_free:
        return FitQuality(residual_rms, seed_rms, residual_rms / seed_rms, None)
    noises = {"even": noise, **{along: falling_noise(cells, along, noise) for along in ("D", "C")}}
    p_values = dict(zip(noises, lack_of_fit(law_point(law, cells), cells, list(noises.values())), strict=True))
    return FitQuality(residual_rms, seed_rms, residual_rms / seed_rms, p_values.pop("even"), p_values)


def lack_of_fit(point: Point, cells: pd.DataFrame, noises: Sequence[SeedNoise]) -> list[float]:
    """Test whether a law misses more than noise, under each of several models of the noise.

    Parameters
    ----------
    point : Point
        A law through the cells, by least squares on ln L. For each noise it is fitted again, every cell weighted by
        one over the variance of its mean: weights of another noise would make the test too eager.
    cells : DataFrame
        From `replicates.design_cells`, more than the law has parameters.
    noises : sequence of SeedNoise
        What the variance is.

    Returns
    -------
    list of float
        p values of the F test.
    """
    n_seeds = cells.n_seeds.to_numpy(float)
    precision_Kn = np.stack([n_seeds / noise.of_runs(cells) ** 2 for noise in noises])
    refitted = point.refit(weights=precision_Kn / precision_Kn.mean(axis=1, keepdims=True))
    residuals_Kn = point.log_loss - point.model.evaluate(refitted.z_KP).log_loss_Kn
    dof = len(cells) - point.law.n_free
    lack_K = (precision_Kn * residuals_Kn**2).sum(axis=1) / dof
    return fdtrc(dof, [noise.dof for noise in noises], lack_K).tolist()


def law_point(law: Law, cells: pd.DataFrame, objective: Objective = LEAST_SQUARES) -> Point:
    """A law through cell means, each weighted by its seeds."""
    inputs = {name: cells[name].to_numpy() for name in law.inputs}
    return fit_point(law, inputs, cells.L.to_numpy(), objective, cells.n_seeds.to_numpy(float))


@dataclass(frozen=True)
class OffsetProfile:
    """How much worse the fit gets as E is held at other values.

    Attributes
    ----------
    value : float
        E of the least-squares fit on ln L.
    ci95 : (float, float)
        Where the F statistic stays below its 95 % point.
    identified : bool
        Whether the interval excludes zero.
    grid, statistic : array
        E and the F statistic there, for drawing; ``threshold`` is its 95 % point.
    """

    value: float
    ci95: tuple[float, float]
    identified: bool
    grid: Array
    statistic: Array
    threshold: float


@document.register
def _(profile: OffsetProfile) -> dict[str, Any]:
    """Without the curve."""
    return {"value": profile.value, "ci95": profile.ci95, "identified": profile.identified}


def profile_offset(law: Law, cells: pd.DataFrame) -> OffsetProfile:
    """Profile E by least squares on ln L (Gaussian noise, variance from the residuals)."""
    of_offset = profile(law_point(law, cells), law.offset or "")
    low = 0.0 if of_offset.low is None else of_offset.low
    high = float(of_offset.grid[-1]) if of_offset.high is None else of_offset.high
    return OffsetProfile(
        of_offset.value,
        (low, high),
        of_offset.low is not None,
        of_offset.grid,
        of_offset.statistic,
        of_offset.threshold,
    )
