"""Standard errors from the curvature of the objective: the sandwich, and draws from it.

For Huber's loss with a small threshold the curvature at the optimum is that of a few rows; what counts is
its expectation, the chance of a residual within the threshold. A kernel spreads each residual a little, so
that rows with larger noise count for less, as they should.
"""

import numpy as np
from scipy.special import ndtr

from analysis.arrays import Array, Rows
from analysis.fitting.optimum import Point

NORMAL_MAD = 1.4826  # standard deviation of a normal variable over its median absolute value
BANDWIDTH = 1.06  # Silverman's rule of thumb
STEP = 1e-5


def expected_curvature(point: Point) -> Array:
    """Expectation of the second derivative of rho in each row, (n,): 1 for squares (Powell 1991 for quantiles)."""
    delta, residuals = point.objective.delta, point.objective_residuals
    if np.isinf(delta):
        return np.ones(point.n_rows)
    dof = max(1, point.n_rows - point.law.n_free)
    spread = NORMAL_MAD * np.median(np.abs(residuals)) * np.sqrt(point.n_rows / dof)
    width = max(BANDWIDTH * spread * point.n_rows**-0.2, 1e-300)
    return ndtr((delta - residuals) / width) - ndtr((-delta - residuals) / width)


def sandwich(point: Point, labels: Rows | None = None) -> Array:
    """Robust covariance of the internal parameters, (P, P); rows of one label may be correlated.

    Bread from the expected curvature, filling from each row's (or cluster's) own score, with n / (n - P)
    for the degrees of freedom used; parameters held by a bound do not vary.
    """
    J_Pn = point.model.jacobian(point.model.evaluate(point.z_P[None]))[0]
    scale_n = np.ones(point.n_rows) if point.objective.residual == "log" else np.exp(point.log_loss - point.residuals)
    held = {*point.certificate.bounds_hit, *point.law.fixed}
    free = np.array([name not in held for name in point.law.params])
    J_Pn = (J_Pn * scale_n)[free]
    psi = np.clip(point.objective_residuals, -point.objective.delta, point.objective.delta)
    scores_Pn = J_Pn * (point.weights * psi)
    units = point.n_rows
    if labels is not None:
        names, group = np.unique(labels, return_inverse=True)
        units = len(names)
        scores_Pn = np.stack([np.bincount(group, row, units) for row in scores_Pn])
    bread = np.linalg.pinv((J_Pn * point.weights * expected_curvature(point)) @ J_Pn.T, hermitian=True)
    covariance = np.zeros((len(free), len(free)))
    filled = bread @ (scores_Pn @ scores_Pn.T) @ bread
    covariance[np.ix_(free, free)] = filled * units / max(1, units - int(free.sum()))
    return covariance


def normal_draws(point: Point, draws: int, rng: np.random.Generator, labels: Rows | None = None) -> Array:
    """Internal parameters (K, P) drawn from the sandwich, Student-t for the degrees of freedom left."""
    covariance = sandwich(point, labels)
    units = point.n_rows if labels is None else len(np.unique(labels))
    dof = max(1, units - point.law.n_free)
    normal = rng.multivariate_normal(np.zeros(len(covariance)), covariance, draws, method="eigh")
    z_KP = point.z_P + normal * np.sqrt(dof / rng.chisquare(dof, (draws, 1)))
    return np.clip(z_KP, *point.model.bounds(float(np.exp(point.log_loss.min()))))


def standard_errors(point: Point, labels: Rows | None = None) -> dict[str, float]:
    """Standard errors of the parameters by the sandwich and the delta method."""
    covariance = sandwich(point, labels)
    steps = STEP * np.eye(len(point.z_P))
    ahead, behind = point.model.to_natural(point.z_P + steps), point.model.to_natural(point.z_P - steps)
    errors = {}
    for name in point.law.params:
        if name in point.law.fixed:
            continue
        slope = (ahead[name] - behind[name]) / (2 * STEP)
        errors[name] = float(np.sqrt(max(0.0, slope @ covariance @ slope)))
    return errors
