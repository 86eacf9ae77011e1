"""One law's forecast of ln L as a distribution, for K data sets of one design at once.

Shapes: K data sets, n rows fitted, P parameters, m rows forecast, q linear combinations of their ln L.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln, stdtr

from analysis.arrays import Array, Rows
from analysis.fitting.newton import Problem, Solution, solve
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import fit_point
from analysis.laws.batched_law import PowerSum, on_rows
from analysis.laws.chinchilla import skaling
from analysis.laws.law import Law
from scaling_harness.errors import HarnessError

SQUARES_UP_TO = 0.02
"""Residual of ln L up to which a fit is least squares, as a normal forecast asks; a run that diverged counts less."""
OBJECTIVE = Objective(delta=SQUARES_UP_TO)
OUTER_STARTS = (1.0, 0.3)
N_STARTS = 8
"""On the public tables of `bench discrepancy` these reach the optimum of 32 in each of 177 fits."""
EXACT = 1e-9
"""Least scale in ln L: losses without noise, computed from a law, leave none."""
MIN_DOF = 3
"""Cells beyond the law's parameters, with fewer of which the scatter is not known well enough for an interval."""


@dataclass(frozen=True)
class StudentT:
    """Forecasts of q quantities in each of K data sets: location and squared scale (K, q), degrees of freedom."""

    location_Kq: Array
    square_Kq: Array
    dof: int

    @property
    def last(self) -> "StudentT":
        """The last quantity alone."""
        return replace(self, location_Kq=self.location_Kq[:, -1:], square_Kq=self.square_Kq[:, -1:])

    def widened(self, sd_q: Array) -> "StudentT":
        """The same with an independent error of that standard deviation added."""
        return replace(self, square_Kq=self.square_Kq + sd_q**2)

    def cdf(self, value_Kq: Array) -> Array:
        """Probability of a value or less, (K, q)."""
        return stdtr(self.dof, (value_Kq - self.location_Kq) / np.sqrt(self.square_Kq))

    def log_density(self, value_Kq: Array) -> Array:
        """Log density at a value, (K, q)."""
        v, distance = self.dof, (value_Kq - self.location_Kq) ** 2 / self.square_Kq
        constant = gammaln((v + 1) / 2) - gammaln(v / 2) - 0.5 * np.log(v * np.pi * self.square_Kq)
        return constant - (v + 1) / 2 * np.log1p(distance / v)


@dataclass(frozen=True)
class FittedForm:
    """A law fitted to K data sets of one design.

    Attributes
    ----------
    law : Law
    model : PowerSum
        The law on the rows fitted.
    z_KP, covariance_KPP : array
        Internal parameters, and their covariance; a parameter held by a bound does not vary.
    variance_K : array
        Variance of one run's ln L about the law: the scatter of the cells, or of the seeds if that is larger.
    dof : int
        Cells minus free parameters.
    """

    law: Law
    model: PowerSum
    z_KP: Array
    covariance_KPP: Array
    variance_K: Array
    dof: int

    @property
    def params(self) -> dict[str, Array]:
        """Natural parameters, each (K,)."""
        return self.model.to_natural(self.z_KP)

    def forecast(self, inputs: Mapping[str, Array], n_seeds_m: Array, combine_qm: Array | None = None) -> StudentT:
        """Forecast the mean ln L of so many seeds at m inputs, or linear combinations of them.

        Parameters
        ----------
        inputs : mapping
            Name to values, (m,).
        n_seeds_m : array
            Runs that each mean is of.
        combine_qm : array, optional
            Combinations, a row each.

        Returns
        -------
        StudentT
            With the error of the parameters and the noise of the runs.
        """
        combine_qm = np.eye(len(n_seeds_m)) if combine_qm is None else combine_qm
        there = on_rows(self.law, inputs, self.model.centre)
        at = there.evaluate(self.z_KP)
        J_KPq = there.jacobian(at) @ combine_qm.T
        of_params_Kq = np.einsum("kpq,kpr,krq->kq", J_KPq, self.covariance_KPP, J_KPq, optimize=True)
        noise_q = combine_qm**2 @ (1 / n_seeds_m)
        square_Kq = np.maximum(of_params_Kq + self.variance_K[:, None] * noise_q, EXACT**2)
        return StudentT(at.log_loss_Kn @ combine_qm.T, square_Kq, self.dof)


def fit_form(
    law: Law,
    inputs: Mapping[str, Array],
    log_loss_Kn: Array,
    n_seeds_n: Array,
    seed_sd: float = 0.0,
    start: Mapping[str, Array] | None = None,
    inner: Mapping[str, Array] | None = None,
) -> FittedForm:
    """Fit a law to K data sets of one design, each from few starts: the best of them is the optimum of many.

    Each start is also tried with E at its lower bound: where E wants to be there, Newton's steps in ln E creep.

    Parameters
    ----------
    law : Law
        What is fitted.
    inputs : mapping
        Name to values, (n,).
    log_loss_Kn : array
        Mean ln L of each cell.
    n_seeds_n : array
        Runs that it is the mean of.
    seed_sd : float
        Standard deviation of ln L between seeds, if it is known: the least that the scatter is taken for.
    start : mapping of str to array (K,), optional
        Parameters to start from, such as the optimum of another objective. By default the optimum of the mean data set
        from several starts.
    inner : mapping of str to array (K,), optional
        Parameters of Chinchilla's law on these rows, for Skaling, from which its own are looked for as well: with a
        truth of its own in each data set the optimum of their mean is no good start for all.

    Returns
    -------
    FittedForm

    Raises
    ------
    HarnessError
        An input is missing, or there are too few cells.
    """
    if missing := [name for name in law.inputs if name not in inputs]:
        raise HarnessError(f"{law.formula} needs {', '.join(missing)}, which these runs have not")
    n_cells, needed = len(n_seeds_n), law.n_free + MIN_DOF
    if n_cells < needed:
        raise HarnessError(f"{n_cells} cells are too few to forecast with {law.formula}: {needed} are needed")
    taken = {name: inputs[name] for name in law.inputs}
    weights_n, model = np.asarray(n_seeds_n, float), on_rows(law, taken)
    if start is None:
        anchor = fit_point(law, taken, np.exp(log_loss_Kn.mean(axis=0)), OBJECTIVE, weights_n, N_STARTS)
        start = {name: np.full(len(log_loss_Kn), value) for name, value in anchor.params.items()}
    low, high = model.bounds(float(np.exp(log_loss_Kn.min())))
    starts = [model.to_internal(params) for params in (start, *_with_outer(model, inner))]
    solution = _best(Problem(model, log_loss_Kn, weights_n, low, high), [*starts, *_at_floor(model, starts, low)])
    return _with_covariance(law, model, solution, log_loss_Kn, weights_n, seed_sd)


def _at_floor(model: PowerSum, starts: list[Array], low: Array) -> list[Array]:
    """The same with E at its lower bound."""
    law = model.law
    if not law.offset or law.offset in law.fixed:
        return []
    floors = [z_KP.copy() for z_KP in starts]
    for z_KP in floors:
        z_KP[:, model.position[law.offset]] = low[model.position[law.offset]]
    return floors


def _with_outer(model: PowerSum, inner: Mapping[str, Array] | None) -> list[Mapping[str, Array]]:
    """Skaling's parameters with the losses and slopes of Chinchilla's at the centre, for a few k."""
    if inner is None or model.law is not skaling:
        return []
    alpha, beta, log_n, log_d = inner["alpha"], inner["beta"], model.centre["N"], model.centre["D"]
    a, b = np.log(inner["A"]) - alpha * log_n, np.log(inner["B"]) - beta * log_d
    total = np.logaddexp(a, b)
    return [
        {
            "E": inner["E"],
            "A": np.exp(a - total + (total + alpha * log_n) / k),
            "B": np.exp(b - total + (total + beta * log_d) / k),
            "alpha": alpha / k,
            "beta": beta / k,
            "k": np.full(len(total), k),
        }
        for k in OUTER_STARTS
    ]


def _best(problem: Problem, starts: Sequence[Array]) -> Solution:
    """The lowest optimum of each data set over the starts."""
    found = [solve(problem, OBJECTIVE, start_KP) for start_KP in starts]
    lowest = np.argmin([each.objective_K for each in found], axis=0)
    fields = ((name, [getattr(each, name) for each in found]) for name in Solution.__dataclass_fields__)
    return Solution(**{name: np.stack(each)[lowest, np.arange(len(lowest))] for name, each in fields})


def _with_covariance(
    law: Law, model: PowerSum, solution: Solution, log_loss_Kn: Array, weights_n: Array, seed_sd: float
) -> FittedForm:
    """The covariance that equal variances of runs imply, with Huber's correction for residuals beyond the squares."""
    at = model.evaluate(solution.z_KP)
    residual_Kn = at.log_loss_Kn - log_loss_Kn
    psi_Kn, share_K = np.clip(residual_Kn, -SQUARES_UP_TO, SQUARES_UP_TO), _share_within(residual_Kn, weights_n)
    dof = model.n_rows - law.n_free
    variance_K = np.maximum((weights_n * psi_Kn**2).sum(axis=1) / dof / share_K**2, seed_sd**2)
    J_KPn = model.jacobian(at)
    J_KPn[solution.at_bound_KP | _fixed(law)] = 0.0
    covariance_KPP = variance_K[:, None, None] * _inverse((J_KPn * weights_n) @ J_KPn.transpose(0, 2, 1))
    return FittedForm(law, model, solution.z_KP, covariance_KPP, variance_K, dof)


def _share_within(residual_Kn: Array, weights_n: Array) -> Array:
    within_Kn = np.abs(residual_Kn) <= SQUARES_UP_TO
    return np.maximum((weights_n * within_Kn).sum(axis=1) / weights_n.sum(), 0.5)


def _fixed(law: Law) -> Rows:
    return np.array([name in law.fixed for name in law.params])


def _inverse(H_KPP: Array) -> Array:
    """Pseudoinverse of each, in units of its own diagonal; zero where a parameter is held."""
    diagonal_KP = np.einsum("kpp->kp", H_KPP)
    scale_KP = np.where(diagonal_KP > 0, np.sqrt(np.maximum(diagonal_KP, 1e-300)), 1.0)
    scaled = H_KPP / (scale_KP[:, :, None] * scale_KP[:, None, :])
    return np.linalg.pinv(scaled, rcond=1e-13, hermitian=True) / (scale_KP[:, :, None] * scale_KP[:, None, :])
