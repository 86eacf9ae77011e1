"""One certified optimum: many starts on the data, the best polished, and the evidence kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.arrays import Array
from analysis.fitting.newton import Problem, Solution, solve
from analysis.fitting.objective import Objective
from analysis.fitting.starting_points import grid_starts
from analysis.laws.batched_law import PowerSum, on_rows
from analysis.laws.law import Law

AGREEMENT = 1e-6  # relative difference of objectives below which two starts found the same optimum
EXACT = 1e-7  # residual: smaller ones are rounding, in which no two starts agree
MULTISTART_ROWS = 4000  # more rows than this: many starts on a spread of them, the best on all


@dataclass(frozen=True)
class Certificate:
    """Why the optimum can be believed.

    Attributes
    ----------
    tried, agreeing : int
        Starts, and those that ended within 1e-6 (relative) of the best objective.
    gradient_norm : float
        Largest gradient component over the sum of absolute values it is made of.
    condition : float
        Condition number of the Gauss-Newton matrix in the internal (centred, log) parameters.
    distance_moved : float
        Euclidean distance from the winning start, in the same parameters.
    bounds_hit : tuple of str
        Parameters that a bound holds.
    converged : bool
    """

    tried: int
    agreeing: int
    gradient_norm: float
    condition: float
    distance_moved: float
    bounds_hit: tuple[str, ...]
    converged: bool


@dataclass(frozen=True)
class Point:
    """An optimum on given rows, and what refits start from."""

    law: Law
    inputs: Mapping[str, Array]
    model: PowerSum
    objective: Objective
    log_loss: Array
    weights: Array
    z_P: Array
    value: float
    certificate: Certificate

    @property
    def params(self) -> dict[str, float]:
        """Natural parameters."""
        return {name: float(value) for name, value in self.model.to_natural(self.z_P).items()}

    @property
    def n_rows(self) -> int:
        """Rows fitted."""
        return len(self.log_loss)

    @property
    def objective_residuals(self) -> Array:
        """Residuals as the objective takes them: of ln L or of L, fitted minus measured."""
        return self.objective.residuals(self.log_loss - self.residuals, self.log_loss)

    @property
    def residual_rms(self) -> float:
        """Root mean square log residual with n - P degrees of freedom."""
        squares = (self.weights * self.residuals**2).sum() / self.weights.mean()
        return float(np.sqrt(squares / max(1, self.n_rows - self.law.n_free)))

    @property
    def run_scatter(self) -> float:
        """The same for a row of weight 1: of cells weighted by their seeds, for one run."""
        return float(self.residual_rms * np.sqrt(self.weights.mean()))

    @property
    def residuals(self) -> Array:
        """Ln L - ln L_hat of each row."""
        return self.log_loss - self.model.evaluate(self.z_P[None]).log_loss_Kn[0]

    def with_model(self, model: PowerSum) -> "Point":
        """The same optimum in the internal parameters of a model with another centre."""
        return replace(self, model=model, z_P=model.to_internal(self.params))

    def problem(self, log_loss: Array | None = None, weights: Array | None = None) -> Problem:
        """The same problem with other losses or weights, (n,) or (K, n)."""
        low, high = self.model.bounds(float(np.exp(self.log_loss.min())))
        return Problem(
            self.model,
            self.log_loss if log_loss is None else log_loss,
            self.weights if weights is None else weights,
            low,
            high,
        )

    def refit(self, log_loss: Array | None = None, weights: Array | None = None) -> Solution:
        """Fit K resamples at once, from this optimum."""
        given = log_loss if log_loss is not None else weights
        n_problems = 1 if given is None or given.ndim == 1 else len(given)
        start_KP = np.tile(self.z_P, (n_problems, 1))
        return solve(self.problem(log_loss, weights), self.objective, start_KP)


def fit_point(
    law: Law,
    inputs: Mapping[str, Array],
    loss: Array,
    objective: Objective,
    weights: Array | None = None,
    n_starts: int = 32,
) -> Point:
    """Fit a law to rows, from many starts.

    Parameters
    ----------
    law : Law
        What to fit.
    inputs : mapping
        Input name -> values, shape (n,).
    loss : array (n,)
        Nats per token.
    objective : Objective
        What to minimise.
    weights : array (n,), optional
        Weight of each row, 1 by default.
    n_starts : int
        Starting points from the grid.

    Returns
    -------
    Point
    """
    model = on_rows(law, inputs)
    log_loss = np.log(np.asarray(loss, float))
    weights = np.ones(len(log_loss)) if weights is None else np.asarray(weights, float)
    starts_KP = grid_starts(model, log_loss, objective, n_starts)
    low, high = model.bounds(float(np.exp(log_loss.min())))
    rows = np.unique(np.linspace(0, model.n_rows - 1, MULTISTART_ROWS).astype(int))
    screen = Problem(model.subset(rows), log_loss[rows], weights[rows], low, high)
    many = solve(screen, objective, starts_KP)
    best = int(many.objective_K.argmin())
    final = solve(Problem(model, log_loss, weights, low, high), objective, many.z_KP[best : best + 1])
    rounding = 0.5 * screen.weights.sum() * EXACT**2
    agreeing = many.objective_K <= many.objective_K[best] * (1 + AGREEMENT) + rounding
    certificate = Certificate(
        tried=len(starts_KP),
        agreeing=int(agreeing.sum()),
        gradient_norm=float(final.gradient_norm_K[0]),
        condition=_condition(model, final.z_KP, weights),
        distance_moved=float(np.linalg.norm(final.z_KP[0] - starts_KP[best])),
        bounds_hit=tuple(
            name for name, held in zip(law.params, final.at_bound_KP[0], strict=True) if held and name not in law.fixed
        ),
        converged=bool(final.converged_K[0]),
    )
    value = float(final.objective_K[0])
    return Point(law, inputs, model, objective, log_loss, weights, final.z_KP[0], value, certificate)


def _condition(model: PowerSum, z_1P: Array, weights: Array) -> float:
    """Condition number of J' W J."""
    J_Pn = model.jacobian(model.evaluate(z_1P))[0][[name not in model.law.fixed for name in model.law.params]]
    return float(np.linalg.cond((J_Pn * weights) @ J_Pn.T))
