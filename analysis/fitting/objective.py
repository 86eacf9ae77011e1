"""Objectives: a Huber or squared loss on residuals of ln L or of L, always the sum over runs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.arrays import Array


@dataclass(frozen=True)
class Objective:
    """Sum over runs of weight * rho(residual), divided by nothing.

    Hoffmann et al. (2022) averaged instead of summing, and with a solver's absolute tolerance
    stopped early (Besiroglu et al. 2024); the solver here is invariant to the scale.

    Parameters
    ----------
    residual : "log" or "raw"
        ln L_hat - ln L, or L_hat - L in nats.
    delta : float
        Where Huber's loss turns from quadratic to linear; inf is least squares.
    """

    residual: Literal["log", "raw"] = "log"
    delta: float = 1e-3

    def residuals(self, log_loss_hat: Array, log_loss: Array) -> Array:
        """Residual of each row."""
        if self.residual == "log":
            return log_loss_hat - log_loss
        return np.exp(log_loss_hat) - np.exp(log_loss)

    def value(self, residuals: Array, weights: Array) -> Array:
        """The sum over the last axis, one value a problem."""
        size = np.abs(residuals)
        if np.isinf(self.delta):
            return (weights * (0.5 * residuals**2)).sum(axis=-1)
        core = np.minimum(size, self.delta)
        return (weights * (core * (size - 0.5 * core))).sum(axis=-1)

    def slopes(self, residuals: Array, log_loss_hat: Array) -> tuple[Array, Array]:
        """First and second derivative of rho by ln L_hat."""
        psi = np.minimum(np.maximum(residuals, -self.delta), self.delta)
        curvature = (np.abs(residuals) < self.delta).astype(float)
        if self.residual == "log":
            return psi, curvature
        loss_hat = np.exp(log_loss_hat)
        return psi * loss_hat, curvature * loss_hat**2 + psi * loss_hat


LEAST_SQUARES = Objective(delta=np.inf)
