"""The law of repeated data as a function of internal parameters, for many parameter vectors at once.

Shapes as in ``power_sum``. N' and D' depend on the parameters, so ln L is no longer made of terms
linear in them: the gradient is written out, the Hessian is its difference quotient.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from analysis.laws.batched_law import Evaluation, PowerSum, gram
from analysis.laws.law import Array, Law, Rows
from analysis.laws.repetition import saturate

STEP = 1e-6  # of the difference quotient, in log coefficients and exponents of order one


class DataConstrained(PowerSum):
    """L(N,D,U) = E + A/N'^alpha + B/D'^alpha on given rows."""

    def __init__(self, law: Law, inputs: Mapping[str, ArrayLike], centre: Mapping[str, float] | None = None) -> None:
        super().__init__(law, inputs, centre)
        n, d, u = (np.exp(self._logs[name]) for name in ("N", "D", "U"))
        self._rows = (n, d, np.minimum(u, d))

    def subset(self, rows: Rows) -> Self:
        """The same function, same centre, on some of the rows."""
        part = super().subset(rows)
        part._rows = tuple(values[rows] for values in self._rows)
        return part

    def evaluate(self, z_KP: Array) -> Evaluation:
        """Ln L at each of the K internal vectors, with its gradient."""
        e, a, b, alpha, log_rd, log_rn = (z_KP[:, [i]] for i in self._order())
        (n, d, unique_d), centre = self._rows, self.centre
        with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
            room = np.clip((a - b) / np.maximum(alpha, 1e-9), -60, 60)
            best_n = np.exp(room + centre["N"] - centre["D"]) * unique_d
            unique_n = np.minimum(n, best_n)
            rel_d, slope_d, _ = _saturation(d, unique_d, np.exp(log_rd))
            rel_n, slope_n, kept = _saturation(n, unique_n, np.exp(log_rn))
        far_n, far_d = np.log(rel_n * unique_n) - centre["N"], np.log(rel_d * unique_d) - centre["D"]
        logs = np.stack(np.broadcast_arrays(e, a - alpha * far_n, b - alpha * far_d))
        log_loss_Kn = np.logaddexp.reduce(logs)
        share_e, share_n, share_d = np.exp(logs - log_loss_Kn)
        moved = np.where(best_n < n, 1 - kept, 0.0)
        J_KPn = np.empty((*z_KP.shape, self.n_rows))
        rows = (
            share_e,
            share_n * (1 - moved),
            share_d + share_n * moved,
            share_n * (moved * room - far_n) - share_d * far_d,
            -share_d * alpha * slope_d,
            -share_n * alpha * slope_n,
        )
        for i, row in zip(self._order(), rows, strict=True):
            J_KPn[:, i] = row
        return Evaluation(log_loss_Kn, J_KPn, z_KP.copy())

    def _order(self) -> tuple[int, ...]:
        """Positions of E, A, B, alpha, R_D*, R_N*."""
        names = (self.law.offset or "", *self.law.coefficients, *self.law.exponents, *(self.law.repeats or ()))
        return tuple(self.position[name] for name in names)

    def jacobian(self, at: Evaluation) -> Array:
        """Gradient of ln L by internal parameters, shape (K, P, n)."""
        return at.parts[0].copy()

    def curvature(self, at: Evaluation, J_KPn: Array, h_Kn: Array, v_Kn: Array) -> Array:
        """Sum over rows of h J J' + v (Hessian of ln L), shape (K, P, P)."""
        z_KP = at.parts[1]
        columns = []
        for p in range(self.n_params):
            step = np.zeros(self.n_params)
            step[p] = STEP
            ahead, behind = (self.evaluate(z_KP + sign * step).parts[0] for sign in (1, -1))
            columns.append(((ahead - behind) @ v_Kn[:, :, None])[:, :, 0] / (2 * STEP))
        H_KPP = np.stack(columns, axis=2)
        return (H_KPP + H_KPP.transpose(0, 2, 1)) / 2 + gram(J_KPn, h_Kn)


def _saturation(total: Array, unique: Array, scale: Array) -> tuple[Array, Array, Array]:
    """Effective over unique amount; its log slope in ln R*; and total e^-x over the effective amount."""
    effective = saturate(total, unique, scale)
    x = (total / unique - 1) / scale
    decay = np.exp(-x)
    slope = scale * (-np.expm1(-x) - x * decay) * unique / effective
    return effective / unique, slope, total * decay / effective
