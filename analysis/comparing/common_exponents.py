"""Do several groups of runs share their exponents? Common exponents with separate offsets, tested.

Hestness et al. (2017) found that architecture and optimiser move the offset and the data the slope. Here both
hypotheses are fitted by least squares on ln L: shared exponents with E and coefficients of each group's own,
and everything apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.arrays import Array
from analysis.fitting.newton import Problem, solve
from analysis.fitting.objective import LEAST_SQUARES
from analysis.fitting.optimum import Point, fit_point
from analysis.laws.batched_law import on_rows
from analysis.laws.law import Law, Term
from scaling_harness.errors import HarnessError

OFFSET = "E_common"
SHIFT_BOUNDS = (-60.0, 60.0)


@dataclass(frozen=True)
class CommonExponent:
    """Shared against separate exponents.

    Attributes
    ----------
    shared : mapping of str to float
        Exponents that all groups share.
    separate : mapping of group to exponents
    statistic : float
        n ln(RSS_shared / RSS_separate).
    dof : int
        Exponents saved.
    p_value : float
        By the chi-square law of large samples.
    p_bootstrap : float
        By simulating the shared law with the separate fits' noise.
    n_runs, resamples : int
    """

    shared: Mapping[str, float]
    separate: Mapping[str, Mapping[str, float]]
    statistic: float
    dof: int
    p_value: float
    p_bootstrap: float
    n_runs: int
    resamples: int

    def sentence(self) -> str:
        """The outcome in words."""
        shared = ", ".join(f"{name} {value:.4f}" for name, value in self.shared.items())
        verdict = "are not refuted" if self.p_bootstrap > 0.05 else "are refuted"
        return (
            f"common exponents ({shared}) with separate offsets {verdict}: likelihood ratio {self.statistic:.2f} on "
            f"{self.dof}, p {self.p_value:.3g} (chi-square), {self.p_bootstrap:.3g} ({self.resamples} simulations)"
        )


def common_exponent(
    groups: Mapping[str, pd.DataFrame], law: Law, *, resamples: int = 400, seed: int = 0
) -> CommonExponent:
    """Test whether groups of runs share the exponents of a law.

    Parameters
    ----------
    groups : mapping of str to DataFrame
        Two or more tables with the inputs of the law and L.
    law : Law
        A sum of power terms, with or without E.
    resamples, seed : int
        Number of simulations under the shared law, and their seed.

    Returns
    -------
    CommonExponent

    Raises
    ------
    HarnessError
        Fewer than two groups, too few runs, or a law that is not a plain sum of power terms.
    """
    if len(groups) < 2 or law.outer or law.repeats or law.form or law.fixed:
        raise HarnessError(
            f"a common exponent needs two groups and a plain sum of power terms, none held, not {law.formula}"
        )
    points = {name: _alone(name, frame, law) for name, frame in groups.items()}
    joint = _Joint(law, list(points.values()))
    shared_z = joint.solve(joint.log_loss)
    residuals = joint.residuals(shared_z, joint.log_loss)[0]
    alone = sum(float((point.residuals**2).sum()) for point in points.values())
    n_runs, n_separate = len(joint.log_loss), len(points) * len(law.params)
    statistic = n_runs * np.log((residuals**2).sum() / alone)
    noise = np.sqrt(alone / (n_runs - n_separate))
    drawn = joint.log_loss - residuals + noise * np.random.default_rng(seed).standard_normal((resamples, n_runs))
    simulated = joint.statistics(drawn, shared_z)
    dof = len(law.exponents) * (len(points) - 1)
    return CommonExponent(
        shared=joint.exponents(shared_z),
        separate={name: {key: point.params[key] for key in law.exponents} for name, point in points.items()},
        statistic=float(max(statistic, 0.0)),
        dof=dof,
        p_value=float(stats.chi2.sf(statistic, dof)),
        p_bootstrap=float((1 + (simulated >= statistic).sum()) / (1 + resamples)),
        n_runs=n_runs,
        resamples=resamples,
    )


def _alone(name: str, frame: pd.DataFrame, law: Law) -> Point:
    if len(frame) <= len(law.params):
        raise HarnessError(f"{name} has {len(frame)} runs, more than the {len(law.params)} parameters are needed")
    inputs = {key: frame[key].to_numpy(float) for key in law.inputs}
    return fit_point(law, inputs, frame.L.to_numpy(float), LEAST_SQUARES)


class _Joint:
    """All groups as one law: an indicator input a group, whose exponent is the shift of ln coefficient."""

    def __init__(self, law: Law, points: list[Point]) -> None:
        self.law, self.points = law, points
        sizes = [len(point.log_loss) for point in points]
        of_row = np.repeat(np.arange(len(points)), sizes)
        self.log_loss = np.concatenate([point.log_loss for point in points])
        self.rows = [np.flatnonzero(of_row == g) for g in range(len(points))]
        inputs = {key: np.concatenate([point.inputs[key] for point in points]) for key in law.inputs}
        inputs |= {_group(g): np.where(of_row == g, np.e, 1.0) for g in range(1, len(points))}
        self.joint_law = _joint_law(law, len(points))
        self.model = on_rows(self.joint_law, inputs)

    def solve(self, log_loss: Array) -> Array:
        """Internal parameters (1, P) of the best of several starts."""
        starts = np.stack([self.model.to_internal(self._start(weight)) for weight in (0.0, 0.25, 0.5, 0.75, 1.0)])
        solution = self._solve(log_loss, starts)
        return solution.z_KP[[int(solution.objective_K.argmin())]]

    def _solve(self, log_loss: Array, starts: Array) -> Any:
        low, high = self.model.bounds(float(np.exp(self.log_loss.min())))
        problem = Problem(self.model, log_loss, np.ones(len(self.log_loss)), low, high)
        return solve(problem, LEAST_SQUARES, starts)

    def statistics(self, drawn_Kn: Array, shared_z: Array) -> Array:
        """Likelihood ratio of each simulated set."""
        together = 2 * self._solve(drawn_Kn, np.tile(shared_z, (len(drawn_Kn), 1))).objective_K
        apart = np.zeros(len(drawn_Kn))
        for point, rows in zip(self.points, self.rows, strict=True):
            apart += 2 * point.refit(log_loss=drawn_Kn[:, rows]).objective_K
        return drawn_Kn.shape[1] * np.log(together / apart)

    def residuals(self, z_KP: Array, log_loss: Array) -> Array:
        """Ln L - ln L_hat, (K, n)."""
        return log_loss - self.model.evaluate(z_KP).log_loss_Kn

    def exponents(self, z_1P: Array) -> dict[str, float]:
        """Shared exponents."""
        natural = self.model.to_natural(z_1P[0])
        return {name: float(natural[name]) for name in self.law.exponents}

    def _start(self, weight: float) -> dict[str, float]:
        """Exponents between those of the first and the last group, each term kept at its group's centre."""
        first, last = self.points[0], self.points[-1]
        shared = {name: (1 - weight) * first.params[name] + weight * last.params[name] for name in self.law.exponents}
        logs = [self._log_coefficients(point, shared) for point in self.points]
        start = dict(shared)
        for name, value in logs[0].items():
            start[name] = float(np.exp(value))
            start |= {_shift(name, g): value - logs[g][name] for g in range(1, len(logs))}
        return start

    def _log_coefficients(self, point: Point, shared: Mapping[str, float]) -> dict[str, float]:
        params = point.params
        logs = {OFFSET: float(np.log(params[self.law.offset]))} if self.law.offset else {}
        for term in self.law.terms:
            value = float(np.log(params[term.coefficient]))
            for name, power in term.exponents.items():
                if isinstance(power, str):
                    value += (shared[power] - params[power]) * float(np.log(point.inputs[name]).mean())
            logs[term.coefficient] = value
        return logs


def _joint_law(law: Law, n_groups: int) -> Law:
    """The law with every coefficient, E among them, shifted by group."""
    terms = list(law.terms)
    if law.offset:
        terms.insert(0, Term(OFFSET, {}))
    shifted, bounds = [], dict(law.bounds)
    for term in terms:
        shifts = {_group(g): _shift(term.coefficient, g) for g in range(1, n_groups)}
        bounds |= dict.fromkeys(shifts.values(), SHIFT_BOUNDS)
        shifted.append(Term(term.coefficient, {**term.exponents, **shifts}))
    return Law(f"common_{law.name}", law.formula, law.source, tuple(shifted), offset=None, bounds=bounds)


def _group(g: int) -> str:
    return f"group{g}"


def _shift(coefficient: str, g: int) -> str:
    return f"{coefficient}_shift{g}"
