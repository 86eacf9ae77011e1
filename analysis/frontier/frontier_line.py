"""Straight lines ln N_opt and ln D_opt against ln C: what every approach ends in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate

MIN_BUDGETS = 3


@dataclass(frozen=True)
class Approach:
    """One way to the exponents of N_opt ~ C^a and D_opt ~ C^b.

    Attributes
    ----------
    name : str
        "1", "2", "3", or the name of a variant of one of them.
    a, b : Estimate
        NaN if the points do not allow a line.
    points : DataFrame
        C, N_opt, D_opt, loss: what the lines go through.
    log_coefficients : (float, float)
        ln N_opt and ln D_opt at C = 1 FLOP, for drawing.
    excluded : tuple of {"what", "reason"}
    warnings : tuple of str
    a_draws, b_draws : array (K,)
    """

    name: str
    a: Estimate
    b: Estimate
    points: pd.DataFrame
    log_coefficients: tuple[float, float]
    excluded: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    a_draws: Array
    b_draws: Array

    def n_opt(self, train_flops: Array) -> Array:
        """N_opt on the fitted line."""
        return np.exp(self.log_coefficients[0] + self.a.value * np.log(train_flops))

    def d_opt(self, train_flops: Array) -> Array:
        """D_opt on the fitted line."""
        return np.exp(self.log_coefficients[1] + self.b.value * np.log(train_flops))


@dataclass(frozen=True)
class Drawn:
    """Resampled ln N_opt or ln D_opt of P points, (K, P), NaN if a resample has none; and their weights."""

    values_KP: Array
    weights_P: Array | None = None


def approach_through(
    name: str,
    points: pd.DataFrame,
    drawn_n: Drawn,
    drawn_d: Drawn,
    excluded: Sequence[Mapping[str, str]] = (),
    warnings: Sequence[str] = (),
) -> Approach:
    """Lines of ln N_opt and ln D_opt in ln C, each on its own, for the points and for every resample."""
    log_c = np.log(points.C.to_numpy())
    lines = []
    for values, drawn in ((points.N_opt, drawn_n), (points.D_opt, drawn_d)):
        weights = np.ones(len(log_c)) if drawn.weights_P is None else drawn.weights_P
        slope, intercept = weighted_line(log_c, np.log(values.to_numpy())[None], weights)
        lines.append((float(slope[0]), float(intercept[0]), weighted_line(log_c, drawn.values_KP, weights)[0]))
    (a, at_n, a_draws), (b, at_d, b_draws) = lines
    estimates = Estimate.from_draws(a, a_draws), Estimate.from_draws(b, b_draws)
    return Approach(name, *estimates, points, (at_n, at_d), tuple(excluded), tuple(warnings), a_draws, b_draws)


def weighted_line(x: Array, y_KP: Array, weights_P: Array) -> tuple[Array, Array]:
    """Slope and intercept of K weighted least-squares lines; NaN points are left out of theirs.

    A resample of fewer than two points has a NaN slope.
    """
    there = np.isfinite(y_KP)
    w_KP = weights_P * there
    y_KP = np.where(there, y_KP, 0.0)
    total = w_KP.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (w_KP @ x) / total
        deviation_KP = x - centre[:, None]
        spread = (w_KP * deviation_KP**2).sum(axis=1)
        slope = np.where(there.sum(axis=1) > 1, (w_KP * deviation_KP * y_KP).sum(axis=1) / spread, np.nan)
        return slope, (w_KP * y_KP).sum(axis=1) / total - slope * centre


def empty_approach(name: str, points: pd.DataFrame, excluded: Sequence[Mapping[str, str]], reason: str) -> Approach:
    """An approach that these runs do not allow."""
    nan, none = float("nan"), np.array([])
    sentence = f"approach {name} gives no exponent: {reason}, at least {MIN_BUDGETS} are needed"
    return Approach(name, Estimate(nan), Estimate(nan), points, (nan, nan), tuple(excluded), (sentence,), none, none)
