"""A law with a prediction of its own on given rows, for the same solver: its derivatives are taken numerically.

Shapes as in ``batched_law``. The gradient is a difference quotient of fourth order, exact to about 1e-11, so that the
certificate of an optimum means what it does for a sum of powers; the Hessian, which only speeds the solver, is one of
second order. It takes about 70 predictions a step for six parameters.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array, Rows
from analysis.laws.batched_law import LOG_LIMIT, Evaluation, PowerSum, gram
from analysis.laws.law import Law

CHUNK_ELEMENTS = 40_000  # of one prediction: its arrays stay in the processor's cache
STEP = 3e-4  # in log coefficients and exponents, both of order one


class GeneralLaw(PowerSum):
    """Any law, by what it predicts alone."""

    def __init__(self, law: Law, inputs: Mapping[str, ArrayLike], centre: Mapping[str, float] | None = None) -> None:
        super().__init__(law, inputs, centre)
        self._inputs = {name: np.asarray(inputs[name], float) for name in law.inputs}
        self._free = [i for name, i in self.position.items() if name not in law.fixed]

    def subset(self, rows: Rows) -> Self:
        """The same function, same centre, on some of the rows."""
        part = super().subset(rows)
        part._inputs = {name: values[rows] for name, values in self._inputs.items()}
        return part

    def evaluate(self, z_KP: Array) -> Evaluation:
        """Ln L at each of the K internal vectors."""
        return Evaluation(self._log_loss(z_KP), z_KP.copy())

    def _log_loss(self, z_KP: Array) -> Array:
        params = {name: value[:, None] for name, value in self.to_natural(z_KP).items()}
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):  # on wild trial steps
            log_loss_Kn = np.log(self.law.predict(params, **self._inputs))
        finite = np.isfinite(log_loss_Kn)
        return log_loss_Kn if finite.all() else np.where(finite, log_loss_Kn, LOG_LIMIT)

    def _moved(self, z_KP: Array, moves: Sequence[Mapping[int, int]]) -> Array:
        """Ln L with some parameters moved by so many steps, shape (moves, K, n); several moves a prediction."""
        z_MKP = np.repeat(z_KP[None], len(moves), axis=0)
        for m, move in enumerate(moves):
            for p, times in move.items():
                z_MKP[m, :, p] += times * STEP
        size = max(1, CHUNK_ELEMENTS // self.n_rows)
        rows = z_MKP.reshape(-1, z_KP.shape[1])
        parts = [self._log_loss(rows[i : i + size]) for i in range(0, len(rows), size)]
        return np.concatenate(parts).reshape(len(moves), len(z_KP), self.n_rows)

    def jacobian(self, at: Evaluation) -> Array:
        """Gradient of ln L by internal parameters, shape (K, P, n)."""
        z_KP = at.parts[0]
        moved = self._moved(z_KP, [{p: times} for p in self._free for times in (-2, -1, 1, 2)])
        J_KPn = np.zeros((*z_KP.shape, self.n_rows))
        for i, p in enumerate(self._free):
            far_before, before, after, far_after = moved[4 * i : 4 * i + 4]
            J_KPn[:, p] = (8 * (after - before) - (far_after - far_before)) / (12 * STEP)
        return J_KPn

    def curvature(self, at: Evaluation, J_KPn: Array, h_Kn: Array, v_Kn: Array) -> Array:
        """Sum over rows of h J J' + v (Hessian of ln L), shape (K, P, P)."""
        z_KP = at.parts[0]
        pairs = [*((p,) for p in self._free), *combinations(self._free, 2)]
        moved = self._moved(z_KP, [dict.fromkeys(pair, sign) for pair in pairs for sign in (1, -1)])
        around = moved[::2] + moved[1::2] - 2 * at.log_loss_Kn
        bends = dict(zip(pairs, (v_Kn * around).sum(axis=2) / STEP**2, strict=True))
        H_KPP = np.zeros((len(z_KP), self.n_params, self.n_params))
        for p in self._free:
            H_KPP[:, p, p] = bends[p,]
        for p, q in combinations(self._free, 2):
            H_KPP[:, p, q] = H_KPP[:, q, p] = (bends[p, q] - bends[p,] - bends[q,]) / 2
        return H_KPP + gram(J_KPn, h_Kn)
