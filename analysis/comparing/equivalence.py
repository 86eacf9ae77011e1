"""Are exponents of the reducible loss equal within a margin? An equivalence test, not a failure to refute.

Hestness et al. 2017 find that architecture and optimiser move a learning curve and the data turn it. Groups of runs
follow L = E + A_g D^-beta_g; those of one domain share E. Two exponents are called equal if the 90 % interval of their
difference lies inside the margin (two one-sided tests at 5 %), different if its 95 % interval lies outside. Neither is
an outcome too: the runs are too few to tell, and the power says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, stats

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from scaling_harness.errors import HarnessError, UserError

MARGIN, LEVEL = 0.02, 0.05
MIN_POINTS = 3
_ZERO = 1e-3
"""Nats, below which a fitted limit is none."""
_QUANTILES = (np.arange(400) + 0.5) / 400


@dataclass(frozen=True)
class Group:
    """Runs of one architecture, optimiser or domain: D and L."""

    frame: pd.DataFrame
    domain: str
    """Groups of one domain share their irreducible loss."""
    entropy: float | None = None
    """E, if it is known."""


@dataclass(frozen=True)
class Difference:
    """Two exponents: the first less the second."""

    first: str
    second: str
    value: float
    stderr: float
    dof: int
    margin: float

    def interval(self, level: float) -> tuple[float, float]:
        """Student's interval."""
        half = float(stats.t.ppf((1 + level) / 2, self.dof)) * self.stderr
        return self.value - half, self.value + half

    @property
    def equal(self) -> bool:
        """Whether the two one-sided tests find them equal within the margin."""
        low, high = self.interval(1 - 2 * LEVEL)
        return -self.margin < low and high < self.margin

    @property
    def different(self) -> bool:
        """Whether they differ by more than the margin, at 5 %."""
        low, high = self.interval(1 - LEVEL)
        return low > self.margin or high < -self.margin

    @property
    def power(self) -> float:
        """Probability that runs as noisy as these would find equal exponents equal."""
        return equivalence_power(self.stderr, self.dof, self.margin)

    @property
    def verdict(self) -> str:
        """One word, or three."""
        return "equal" if self.equal else "different" if self.different else "not known"


@dataclass(frozen=True)
class ReducibleExponents:
    """Exponents of the reducible loss of several groups, fitted together."""

    exponents: Mapping[str, Estimate]
    coefficients: Mapping[str, float]
    limits: Mapping[str, float]
    """E of every domain."""
    covariance: Array
    """Of the exponents."""
    dof: int
    residual_rms: float
    at_zero: tuple[str, ...]
    """Domains whose E ran to zero: intervals are for E = 0 there."""

    def differences(self, margin: float = MARGIN) -> list[Difference]:
        """Every two groups.

        Raises
        ------
        UserError
            The margin is not positive.
        """
        if not margin > 0:
            raise UserError(f"the margin of an equivalence test is {margin}: give a positive number, such as {MARGIN}")
        values = [each.value for each in self.exponents.values()]
        return [
            Difference(
                first,
                second,
                values[i] - values[j],
                float(np.sqrt(self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j])),
                self.dof,
                margin,
            )
            for (i, first), (j, second) in combinations(enumerate(self.exponents), 2)
        ]


def equivalence_power(
    stderr: float, dof: int, margin: float = MARGIN, difference: float = 0.0, level: float = LEVEL
) -> float:
    """Probability that two one-sided tests call exponents of this true difference equal.

    Parameters
    ----------
    stderr : float
        True standard error of the difference.
    dof : int
        Degrees of freedom of its estimate.
    margin, difference : float
        Margin of the test, and the difference in truth; at ``difference = margin`` this is the size of the test.
    level : float
        Of each one-sided test.

    Returns
    -------
    float
    """
    estimated = stderr * np.sqrt(stats.chi2.ppf(_QUANTILES, dof) / dof)
    reach = margin - stats.t.ppf(1 - level, dof) * estimated
    inside = stats.norm.cdf((reach - difference) / stderr) - stats.norm.cdf((-reach - difference) / stderr)
    return float(np.maximum(inside, 0.0).mean())


def reducible_exponents(groups: Mapping[str, Group]) -> ReducibleExponents:
    """Fit L = E + A D^-beta to every group by least squares of ln L, E shared within domains.

    Parameters
    ----------
    groups : mapping of str to Group
        By name.

    Returns
    -------
    ReducibleExponents

    Raises
    ------
    HarnessError
        A group has too few data sizes, all together leave no freedom, or a loss is below a known E.
    """
    for name, group in groups.items():
        if (n := len(np.unique(group.frame["D"]))) < MIN_POINTS:
            raise HarnessError(f"{name} has {n} data sizes: an exponent needs {MIN_POINTS}")
        if group.entropy is not None and np.min(group.frame["L"]) <= group.entropy:
            raise HarnessError(
                f"{name} has a loss below its known limit of {group.entropy:.4g} nats: nothing is left of it"
            )
    problem = _Problem(groups)
    dof = len(problem.log_loss) - problem.n_params
    if dof < 1:
        raise HarnessError(
            f"{len(problem.log_loss)} losses are too few for {problem.n_params} parameters: train more data sizes"
        )
    return problem.solve()


class _Problem:
    """Parameters: ln A and beta of every group, about its middle; then the free limits."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self.groups = groups
        self.log_loss = np.log(np.concatenate([group.frame["L"].to_numpy(float) for group in groups.values()]))
        sizes = [len(group.frame) for group in groups.values()]
        self.of_group = np.repeat(np.arange(len(groups)), sizes)
        logs = [np.log(group.frame["D"].to_numpy(float)) for group in groups.values()]
        self.middles = np.array([each.mean() for each in logs])
        self.x = np.concatenate([each - each.mean() for each in logs])
        self.free = list(dict.fromkeys(group.domain for group in groups.values() if group.entropy is None))
        self.limit_of = np.array([self._limit_index(group) for group in groups.values()])[self.of_group]
        self.known = np.array([group.entropy or 0.0 for group in groups.values()])[self.of_group]

    def _limit_index(self, group: Group) -> int:
        return self.free.index(group.domain) if group.entropy is None else -1

    @property
    def n_params(self) -> int:
        return 2 * len(self.groups) + len(self.free)

    def _terms(self, theta: Array) -> tuple[Array, Array]:
        """Limits and reducible losses of every run."""
        n = len(self.groups)
        limits = np.append(theta[2 * n :], 0.0)[self.limit_of]
        return self.known + limits, np.exp(theta[:n][self.of_group] - theta[n : 2 * n][self.of_group] * self.x)

    def residuals(self, theta: Array) -> Array:
        limit, reducible = self._terms(theta)
        return np.log(limit + reducible) - self.log_loss

    def jacobian(self, theta: Array) -> Array:
        limit, reducible = self._terms(theta)
        share = reducible / (limit + reducible)
        n, rows = len(self.groups), np.arange(len(self.x))
        jacobian = np.zeros((len(self.x), len(theta)))
        jacobian[rows, self.of_group], jacobian[rows, n + self.of_group] = share, -share * self.x
        has = self.limit_of >= 0
        jacobian[rows[has], 2 * n + self.limit_of[has]] = 1 / (limit + reducible)[has]
        return jacobian

    def _start(self, part: float) -> Array:
        """Limits at a part of the least loss of their domain, lines through what is left."""
        lowest = [np.exp(self.log_loss[self.limit_of == i].min()) for i in range(len(self.free))]
        limits = part * np.array(lowest)
        left = np.log(np.exp(self.log_loss) - self.known - np.append(limits, 0.0)[self.limit_of])
        lines = [np.polyfit(self.x[self.of_group == g], left[self.of_group == g], 1) for g in range(len(self.groups))]
        slopes, levels = np.array(lines).T
        return np.concatenate([levels, -slopes, limits])

    def solve(self) -> ReducibleExponents:
        n = len(self.groups)
        low = np.concatenate([np.full(2 * n, -np.inf), np.zeros(len(self.free))])
        parts = (0.05, 0.5, 0.9) if self.free else (0.0,)
        jacobian: Any = self.jacobian  # typed as a method's name alone
        found = min(
            (
                optimize.least_squares(
                    self.residuals, self._start(part), jacobian, bounds=(low, np.inf), x_scale="jac", xtol=1e-12
                )
                for part in parts
            ),
            key=lambda each: each.cost,
        )
        return self._result(np.asarray(found.x), 2 * float(found.cost))

    def _result(self, theta: Array, squares: float) -> ReducibleExponents:
        n = len(self.groups)
        moving = np.concatenate([np.ones(2 * n, bool), theta[2 * n :] > _ZERO])
        dof = len(self.x) - int(moving.sum())
        jacobian = self.jacobian(theta)[:, moving]
        covariance = np.linalg.pinv(jacobian.T @ jacobian)[n : 2 * n, n : 2 * n] * squares / dof
        errors, half = np.sqrt(np.diag(covariance)), stats.t.ppf(1 - LEVEL / 2, dof)
        exponents = theta[n : 2 * n]
        fitted = dict(zip(self.free, theta[2 * n :].tolist(), strict=True))
        known = {group.domain: group.entropy for group in self.groups.values() if group.entropy is not None}
        return ReducibleExponents(
            {
                name: Estimate(float(b), float(e), (float(b - half * e), float(b + half * e)))
                for name, b, e in zip(self.groups, exponents, errors, strict=True)
            },
            dict(zip(self.groups, np.exp(theta[:n] + exponents * self.middles).tolist(), strict=True)),
            fitted | known,
            covariance,
            dof,
            float(np.sqrt(squares / len(self.x))),
            tuple(name for name, value in fitted.items() if value <= _ZERO),
        )


def verdict(differences: Sequence[Difference]) -> str:
    """What the tests of all pairs say together.

    All are equal only if every pair is: then 5 % is the level of this too, as each pair would have to pass (Berger
    1982).
    """
    equal, apart = sum(each.equal for each in differences), sum(each.different for each in differences)
    margin = differences[0].margin
    words = f"of {len(differences)} pairs {equal} are equal within {margin:g}, {apart} different by more than it"
    unknown = [each for each in differences if not (each.equal or each.different)]
    if unknown:
        weakest = min(each.power for each in unknown)
        words += (
            f", {len(unknown)} not known: equal ones would be found equal with a probability of {weakest:.0%} at worst"
        )
    return words
