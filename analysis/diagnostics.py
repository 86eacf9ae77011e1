"""Does the law fit, and do the data bound E? Residuals against seed noise, and a profile."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.cells import SeedNoise
from analysis.laws import Array, Law
from analysis.objective import LEAST_SQUARES
from analysis.point import Point, fit_point
from analysis.result import CI_LEVEL
from analysis.solve import Problem, solve
from analysis.starts import grid_starts

PROFILE_POINTS = 60
PROFILE_STARTS = 6


@dataclass(frozen=True)
class FitQuality:
    """Residuals of the cell means beside what seeds alone imply.

    Attributes
    ----------
    residual_rms : float
        Of ln L - ln L_hat over cells (n - P degrees of freedom).
    seed_rms : float or None
        Root mean square of the seed noise of the same cell means; None without replicates.
    ratio : float or None
        Of the two: near 1 the law fits as well as seeds allow.
    lack_of_fit_p : float or None
        p value of the F test of a least-squares fit: small means the law misses more than noise.
    """

    residual_rms: float
    seed_rms: float | None
    ratio: float | None
    lack_of_fit_p: float | None


def fit_quality(law: Law, cells: pd.DataFrame, noise: SeedNoise | None, residual_rms: float) -> FitQuality:
    """Compare a law's residuals with the noise of seeds."""
    if noise is None or noise.sd == 0.0:
        return FitQuality(residual_rms, None, None, None)
    variance = noise.at(cells.N.to_numpy()) ** 2 / cells.n_seeds.to_numpy()
    seed_rms = float(np.sqrt(variance.mean()))
    squares = _squares_point(law, cells).residuals ** 2
    dof = len(cells) - len(law.params)
    lack = (squares / variance).sum() / max(1, dof)
    p_value = float(stats.f.sf(lack, dof, noise.dof)) if dof > 0 else None
    return FitQuality(residual_rms, seed_rms, residual_rms / seed_rms, p_value)


def _squares_point(law: Law, cells: pd.DataFrame) -> Point:
    inputs = {name: cells[name].to_numpy() for name in law.inputs}
    return fit_point(law, inputs, cells.L.to_numpy(), LEAST_SQUARES, cells.n_seeds.to_numpy(float))


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

    def to_dict(self) -> dict[str, Any]:
        """JSON form without the curve."""
        return {"value": self.value, "ci95": list(self.ci95), "identified": self.identified}


def profile_offset(law: Law, cells: pd.DataFrame) -> OffsetProfile:
    """Profile E by least squares on ln L (Gaussian noise, variance from the residuals)."""
    point = _squares_point(law, cells)
    low, high = point.model.bounds(float(cells.L.min()))
    smallest = float(cells.L.min())
    log_grid = np.log(np.concatenate([[1e-6], np.linspace(0.01, 0.995, PROFILE_POINTS - 1)]) * smallest)
    starts = np.vstack([point.z_P, grid_starts(point.model, point.log_loss, LEAST_SQUARES, PROFILE_STARTS)])
    bounds_low = np.tile(low, (len(log_grid), 1))
    bounds_high = np.tile(high, (len(log_grid), 1))
    bounds_low[:, 0] = bounds_high[:, 0] = log_grid
    repeat = len(starts)
    problem = Problem(
        point.model, point.log_loss, point.weights, np.repeat(bounds_low, repeat, 0), np.repeat(bounds_high, repeat, 0)
    )
    solved = solve(problem, LEAST_SQUARES, np.tile(starts, (len(log_grid), 1)))
    objective = solved.objective_K.reshape(len(log_grid), repeat).min(axis=1)
    dof = max(1, len(cells) - len(law.params))
    best = min(point.value, float(objective.min()))
    statistic = (objective - best) / max(best, 1e-300) * dof
    return _read_profile(float(np.exp(point.z_P[0])), np.exp(log_grid), statistic, dof)


def _read_profile(value: float, grid: Array, statistic: Array, dof: int) -> OffsetProfile:
    threshold = float(stats.f.ppf(CI_LEVEL, 1, dof))
    inside = np.flatnonzero(statistic <= threshold)
    if len(inside) == 0:
        return OffsetProfile(value, (value, value), True, grid, statistic, threshold)
    first, last = inside[0], inside[-1]
    low = 0.0 if first == 0 else _crossing(grid, statistic, first - 1, first, threshold)
    high = grid[-1] if last == len(grid) - 1 else _crossing(grid, statistic, last + 1, last, threshold)
    return OffsetProfile(
        value, (float(min(low, value)), float(max(high, value))), bool(first > 0), grid, statistic, threshold
    )


def _crossing(grid: Array, statistic: Array, outside: int, inside: int, threshold: float) -> float:
    """Where the statistic crosses the threshold between two grid points, linearly."""
    share = (threshold - statistic[inside]) / (statistic[outside] - statistic[inside])
    return float(grid[inside] + share * (grid[outside] - grid[inside]))
