"""Many small fits at once: a damped Newton method on stacked problems, in numpy, one thread.

Shapes: K problems, n rows, P parameters. Huber's loss with delta 1e-3 is nearly an absolute value:
Gauss-Newton stalls at its kinks. Here the threshold is lowered in stages from the size of the
residuals, and each stage takes Newton steps with the full second derivative.
"""

import pickle
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from analysis.arrays import Array, Rows
from analysis.fitting.objective import Objective
from analysis.laws.batched_law import Evaluation, PowerSum

CHUNK_ELEMENTS = 40_000  # K n of one chunk: its arrays stay in the processor's cache
STAGE_RATIO = 6.0
STAGE_ITERATIONS = 6
MAX_ITERATIONS = 200
STAGE_TOLERANCE = 1e-4
DECREMENT_TOLERANCE = 1e-13  # predicted relative decrease at which a problem is solved
CONVERGED_DECREMENT = 1e-9  # ... and at which it counts as converged
EXACT_RESIDUAL = 1e-9  # residuals this small are rounding: the rows lie on the law
MAX_DAMPING = 1e12  # no step of any size helps: rounding, or a kink
REMEMBERED = 400  # solutions: the checks of a fit, its report and its ranking ask for the same ones again
_solutions: dict[bytes, tuple[Any, "Solution"]] = {}


@dataclass(frozen=True)
class Solution:
    """Where K problems ended.

    ``gradient_norm`` is relative: the largest component of the gradient over the sum of the
    absolute values it is made of, 0 for components held by a bound.
    """

    z_KP: Array
    objective_K: Array
    gradient_norm_K: Array
    converged_K: Rows
    at_bound_KP: Rows
    iterations_K: Array


@dataclass(frozen=True)
class Problem:
    """Rows, weights and bounds: y and weights are (n,) or (K, n), bounds (P,) or (K, P)."""

    model: PowerSum
    log_loss: Array
    weights: Array
    low: Array
    high: Array

    def take(self, rows: slice | Rows) -> "Problem":
        """The same for some of the K problems."""
        part = {
            name: value[rows] if (value := getattr(self, name)).ndim == 2 else value
            for name in ("log_loss", "weights", "low", "high")
        }
        return replace(self, **part)


def solve(problem: Problem, objective: Objective, start_KP: Array) -> Solution:
    """Minimise the objective from each start; the same problem is solved once a process.

    Parameters
    ----------
    problem : Problem
        Rows, weights and bounds of the K problems.
    objective : Objective
        What to minimise.
    start_KP : array (K, P)
        Internal parameters to start from; clipped to the bounds.

    Returns
    -------
    Solution
    """
    key = _key(problem, objective, start_KP)
    if key not in _solutions:
        while len(_solutions) >= REMEMBERED:
            del _solutions[next(iter(_solutions))]
        _solutions[key] = problem.model.law, _solve(problem, objective, start_KP)
    solution = _solutions[key][1]
    return Solution(*(getattr(solution, name).copy() for name in Solution.__dataclass_fields__))


def _key(problem: Problem, objective: Objective, start_KP: Array) -> bytes:
    """Everything a solution depends on; a law by its identity, as it holds functions: it is kept as long as the key."""
    function = {**vars(problem.model), "law": id(problem.model.law)}
    rows = [problem.log_loss, problem.weights, problem.low, problem.high]
    return blake2b(pickle.dumps([function, rows, objective, start_KP])).digest()


def _solve(problem: Problem, objective: Objective, start_KP: Array) -> Solution:
    size = max(1, CHUNK_ELEMENTS // problem.model.n_rows)
    starts = np.clip(start_KP, problem.low, problem.high)
    parts = [
        _solve_chunk(problem.take(slice(i, i + size)), objective, starts[i : i + size])
        for i in range(0, len(starts), size)
    ]
    fields = Solution.__dataclass_fields__
    return Solution(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def _solve_chunk(problem: Problem, objective: Objective, z_KP: Array) -> Solution:
    """Stages of falling delta, then Newton steps to the optimum."""
    iterations_K = np.zeros(len(z_KP), int)
    for stage in _stages(problem, objective, z_KP):
        z_KP, spent_K = _newton(problem, stage, z_KP, STAGE_ITERATIONS, STAGE_TOLERANCE)
        iterations_K += spent_K
    z_KP, spent_K = _newton(problem, objective, z_KP, MAX_ITERATIONS, DECREMENT_TOLERANCE)
    return _certify(problem, objective, z_KP, iterations_K + spent_K)


def _stages(problem: Problem, objective: Objective, z_KP: Array) -> list[Objective]:
    """Objectives with larger thresholds, from the size of the residuals down to delta."""
    if np.isinf(objective.delta):
        return []
    at = problem.model.evaluate(z_KP)
    size = np.abs(objective.residuals(at.log_loss_Kn, problem.log_loss))
    delta = float(np.median(size)) / STAGE_RATIO
    stages = []
    while delta > objective.delta * STAGE_RATIO**0.5:
        stages.append(replace(objective, delta=delta))
        delta /= STAGE_RATIO
    return stages


@dataclass
class _State:
    """One iterate of the problems still running."""

    problem: Problem
    z_KP: Array
    at: Evaluation
    value_K: Array
    damping_K: Array

    def take(self, rows: Rows) -> "_State":
        return _State(
            self.problem.take(rows),
            self.z_KP[rows],
            self.at.take(rows),
            self.value_K[rows],
            self.damping_K[rows],
        )


def _start(problem: Problem, objective: Objective, z_KP: Array) -> _State:
    at = problem.model.evaluate(z_KP)
    return _State(problem, z_KP, at, _value(problem, objective, at), np.full(len(z_KP), 1e-2))


def _value(problem: Problem, objective: Objective, at: Evaluation) -> Array:
    return objective.value(objective.residuals(at.log_loss_Kn, problem.log_loss), problem.weights)


def _newton(
    problem: Problem, objective: Objective, z_KP: Array, max_iterations: int, tolerance: float
) -> tuple[Array, Array]:
    """Iterate all problems, dropping those that are done; returns z and iterations of each."""
    result_KP, spent_K = z_KP.copy(), np.zeros(len(z_KP), int)
    running = np.arange(len(z_KP))
    state = _start(problem, objective, z_KP)
    for _ in range(max_iterations):
        step_KP, decrement_K = _newton_step(state, objective)
        done = (decrement_K <= tolerance * state.value_K) | (state.damping_K > MAX_DAMPING)
        result_KP[running] = state.z_KP
        if done.all():
            break
        if done.any():
            keep = np.flatnonzero(~done)
            running, state, step_KP = running[keep], state.take(keep), step_KP[keep]
        spent_K[running] += 1
        _try_step(state, objective, step_KP)
    result_KP[running] = state.z_KP
    return result_KP, spent_K


def _newton_step(state: _State, objective: Objective) -> tuple[Array, Array]:
    """Damped step of each problem, and the decrease the undamped quadratic model promises."""
    gradient_KP, H_KPP, scale_KP, held_KP = _derivatives(state.problem, objective, state)
    H_KPP = H_KPP / (scale_KP[:, :, None] * scale_KP[:, None, :])
    if held_KP.any():
        H_KPP[held_KP[:, :, None] | held_KP[:, None, :]] = 0.0
    eigen_KP, Q_KPP = np.linalg.eigh(H_KPP)
    size_KP = np.abs(eigen_KP)
    size_KP = np.maximum(size_KP, 1e-12 * size_KP.max(axis=1, keepdims=True) + 1e-300)
    along_KP = np.einsum("kpq,kp->kq", Q_KPP, gradient_KP / scale_KP)
    decrement_K = 0.5 * (along_KP**2 / size_KP).sum(axis=1)
    damped_KP = along_KP / (size_KP + state.damping_K[:, None])
    step_KP = -np.einsum("kpq,kq->kp", Q_KPP, damped_KP) / scale_KP
    step_KP[held_KP] = 0.0
    return step_KP, decrement_K


def _derivatives(problem: Problem, objective: Objective, state: _State) -> tuple[Array, Array, Array, Rows]:
    """Gradient, Hessian, scale of each parameter, and which parameters a bound holds."""
    at = state.at
    residual_Kn = objective.residuals(at.log_loss_Kn, problem.log_loss)
    slope_Kn, bend_Kn = objective.slopes(residual_Kn, at.log_loss_Kn)
    slope_Kn, bend_Kn = problem.weights * slope_Kn, problem.weights * bend_Kn
    J_KPn = problem.model.jacobian(at)
    gradient_KP = (J_KPn @ slope_Kn[:, :, None])[:, :, 0]
    H_KPP = problem.model.curvature(at, J_KPn, bend_Kn, slope_Kn)
    scale_KP = np.sqrt((J_KPn**2).sum(axis=2) / J_KPn.shape[2] * problem.weights.sum(axis=-1, keepdims=True))
    held_KP = ((state.z_KP <= problem.low) & (gradient_KP > 0)) | ((state.z_KP >= problem.high) & (gradient_KP < 0))
    gradient_KP[held_KP | (scale_KP < 1e-150)] = 0.0
    return gradient_KP, H_KPP, np.maximum(scale_KP, 1e-150), held_KP


def _try_step(state: _State, objective: Objective, step_KP: Array) -> None:
    """Move the problems whose objective falls; damp the others more."""
    trial_KP = np.minimum(np.maximum(state.z_KP + step_KP, state.problem.low), state.problem.high)
    at = state.problem.model.evaluate(trial_KP)
    value_K = _value(state.problem, objective, at)
    better = value_K < state.value_K
    if better.all():
        state.z_KP, state.value_K, state.at = trial_KP, value_K, at
        state.damping_K = state.damping_K / 8
        return
    state.z_KP[better] = trial_KP[better]
    state.value_K[better] = value_K[better]
    state.at.replace(better, at)
    state.damping_K = np.where(better, state.damping_K / 8, np.maximum(state.damping_K, 1e-6) * 6)


def _certify(problem: Problem, objective: Objective, z_KP: Array, iterations_K: Array) -> Solution:
    """Relative gradient and convergence at the final point."""
    state = _start(problem, objective, z_KP)
    gradient_KP, _, _, held_KP = _derivatives(problem, objective, state)
    _, decrement_K = _newton_step(state, objective)
    residual_Kn = objective.residuals(state.at.log_loss_Kn, problem.log_loss)
    slope_Kn, _ = objective.slopes(residual_Kn, state.at.log_loss_Kn)
    made_of_KP = np.einsum("kpn,kn->kp", np.abs(problem.model.jacobian(state.at)), np.abs(problem.weights * slope_Kn))
    relative_KP = np.abs(gradient_KP) / np.maximum(made_of_KP, 1e-300)
    exact_K = state.value_K <= 0.5 * EXACT_RESIDUAL**2 * problem.weights.sum(axis=-1)
    converged_K = exact_K | (decrement_K <= CONVERGED_DECREMENT * state.value_K)
    return Solution(z_KP, state.value_K, relative_KP.max(axis=1), converged_K, held_KP, iterations_K)
