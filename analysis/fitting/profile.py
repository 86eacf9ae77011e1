"""Profile of one parameter: how much worse the fit gets as it is held at other values.

The statistic is the quasi-likelihood ratio 2 (Q - Q_min) E[rho''] / E[rho'^2], which for least squares is
the F statistic and for Huber's loss corrects for its not being a likelihood; it is compared with F(1, n - P).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtri

from analysis.arrays import Array
from analysis.fitting.newton import Problem, solve
from analysis.fitting.optimum import Point
from analysis.fitting.sandwich import expected_curvature, sandwich
from analysis.fitting.starting_points import grid_starts
from analysis.laws.batched_law import on_rows

CI_LEVEL = 0.95
POINTS = 41
REACH = 6.0  # standard errors on each side
OFFSET_SHARES = np.concatenate([[1e-6], np.linspace(0.01, 0.995, 59), np.linspace(1.0, 1.1, 11)])  # of the least loss
OFFSET_STARTS = 2


@dataclass(frozen=True)
class Profile:
    """The statistic on a grid, and where it stays below its 95 % point.

    Attributes
    ----------
    name : str
    value : float
        At the optimum.
    grid, statistic : array
        Values of the parameter, and the statistic there.
    threshold : float
    low, high : float or None
        Ends of the interval; None if the grid ends before the statistic rises.
    """

    name: str
    value: float
    grid: Array
    statistic: Array
    threshold: float
    low: float | None
    high: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None if the data leave one open."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def identified(self) -> bool:
        """Whether the data bound the parameter on both sides."""
        return self.interval is not None


def profile(point: Point, name: str, values: Array | None = None) -> Profile:
    """Profile a parameter of a fit in the fit's own objective.

    Parameters
    ----------
    point : Point
        The fit.
    name : str
        One of ``point.law.params``.
    values : array, optional
        Where to hold it; by default six standard errors to each side, for E from zero to a tenth
        above the smallest loss, which noise can put below E.

    Returns
    -------
    Profile
    """
    point = _uncentred(point, name)
    position, positive = point.model.position[name], name in point.law.positive
    offset = name == point.law.offset
    if values is None:
        held = _offset_grid(point) if offset else _around(point, position)
    else:
        held = np.log(values) if positive else np.asarray(values, float)
    objective_G = _held(point, position, held, OFFSET_STARTS if offset else 0)
    best = min(point.value, float(objective_G.min()))
    statistic = 2 * (objective_G - best) * _quasi_scale(point)
    threshold = float(fdtri(1, max(1, point.n_rows - point.law.n_free), CI_LEVEL))
    natural = np.exp if positive else np.asarray
    at = point.z_P[position]
    low = _crossing(held, statistic, at, threshold, -1)
    high = _crossing(held, statistic, at, threshold, +1)
    return Profile(
        name,
        float(natural(at)),
        natural(held),
        statistic,
        threshold,
        None if low is None else float(natural(low)),
        None if high is None else float(natural(high)),
    )


def profile_intervals(point: Point) -> dict[str, tuple[float, float] | None]:
    """Interval of every parameter by its profile; None if the data do not bound it."""
    profiles = {name: profile(point, name) for name in point.law.params if name not in point.law.fixed}
    return {name: each.interval for name, each in profiles.items()}


def _uncentred(point: Point, name: str) -> Point:
    """The same optimum with the coefficient to be profiled taken at N = D = 1, as papers print it."""
    terms = [term for term in point.law.terms if term.coefficient == name]
    if not terms:
        return point
    zero = {variable: 0.0 if variable in terms[0].exponents else x for variable, x in point.model.centre.items()}
    return point.with_model(on_rows(point.law, point.inputs, zero))


def _offset_grid(point: Point) -> Array:
    return np.log(OFFSET_SHARES) + point.log_loss.min()


def _around(point: Point, position: int) -> Array:
    low, high = point.model.bounds(float(np.exp(point.log_loss.min())))
    error = max(float(np.sqrt(sandwich(point)[position, position])), 1e-6)
    reach = REACH * error * np.linspace(-1, 1, POINTS)
    return np.unique(np.clip(point.z_P[position] + reach, low[position], high[position]))


def _held(point: Point, position: int, held: Array, n_starts: int) -> Array:
    """Objective of the best fit with one parameter held, for every value of the grid."""
    low, high = point.model.bounds(float(np.exp(point.log_loss.min())))
    starts = point.z_P[None]
    if n_starts:
        starts = np.vstack([starts, grid_starts(point.model, point.log_loss, point.objective, n_starts)])
    repeat = len(starts)
    low_GP, high_GP = np.tile(low, (len(held) * repeat, 1)), np.tile(high, (len(held) * repeat, 1))
    low_GP[:, position] = high_GP[:, position] = np.repeat(held, repeat)
    start_GP = np.tile(starts, (len(held), 1))
    if not n_starts:
        start_GP = start_GP + _along(point, position) * (held - point.z_P[position])[:, None]
    problem = Problem(point.model, point.log_loss, point.weights, low_GP, high_GP)
    return solve(problem, point.objective, start_GP).objective_K.reshape(len(held), repeat).min(axis=1)


def _along(point: Point, position: int) -> Array:
    """How the other parameters follow the one that is moved, from the covariance."""
    covariance = sandwich(point)
    return covariance[position] / max(covariance[position, position], 1e-300)


def _quasi_scale(point: Point) -> float:
    """E[rho''] / E[rho'^2], the latter with n - P degrees of freedom."""
    psi = np.clip(point.objective_residuals, -point.objective.delta, point.objective.delta)
    variance = (point.weights * psi**2).sum() / max(1, point.n_rows - point.law.n_free)
    curvature = (point.weights * expected_curvature(point)).sum() / point.weights.sum()
    return float(curvature / max(variance, 1e-300))


def _crossing(grid: Array, statistic: Array, at: float, threshold: float, side: int) -> float | None:
    """Where the statistic first passes the threshold on the way out from the optimum, linearly in its root."""
    order = np.flatnonzero(side * (grid - at) > 0)[::side]
    x = np.concatenate([[at], grid[order]])
    root = np.sqrt(np.maximum(np.concatenate([[0.0], statistic[order]]), 0.0))
    beyond = np.flatnonzero(root > np.sqrt(threshold))
    if len(beyond) == 0:
        return None
    i = beyond[0]
    share = (np.sqrt(threshold) - root[i - 1]) / (root[i] - root[i - 1])
    return float(x[i - 1] + share * (x[i] - x[i - 1]))
