"""ln L of a law and its derivatives, for many parameter vectors at once.

Shapes: K problems (resamples, starts), n rows, P parameters, T terms. Inputs are centred in logs,
so that log coefficients and exponents are nearly uncorrelated: it takes the Hessian's condition
number from about 1e11 to about 1e3 on Hoffmann et al.'s runs.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array, Rows
from analysis.laws.law import EXPONENT_BOUNDS, OUTER_BOUNDS, REPEAT_BOUNDS, Law, Term

OFFSET_FLOOR = 1e-6  # of the smallest loss: below it E cannot be told from zero
LOG_LIMIT = 300.0  # keeps exp finite on wild trial steps, which the solver then rejects


class Evaluation:
    """ln L of K problems on n rows, with the shares of the terms that its derivatives need."""

    def __init__(self, log_loss_Kn: Array, *parts: Array) -> None:
        self.log_loss_Kn = log_loss_Kn
        self.parts = parts

    def take(self, rows: Rows) -> "Evaluation":
        """Some of the problems."""
        return Evaluation(self.log_loss_Kn[rows], *(part[rows] for part in self.parts))

    def replace(self, rows: Rows, other: "Evaluation") -> None:
        """Put another evaluation's problems in place of those rows."""
        self.log_loss_Kn[rows] = other.log_loss_Kn[rows]
        for mine, theirs in zip(self.parts, other.parts, strict=True):
            mine[rows] = theirs[rows]


class PowerSum:
    """A law on given rows, as a function of the internal parameters.

    The internal vector holds, in the order of ``law.params``: ln E, the log coefficients at the
    centre of the data, the exponents, ln k.

    Parameters
    ----------
    law : Law
    inputs : mapping
        Input name -> positive values, shape (n,).
    centre : mapping, optional
        Logarithm of each input at which the coefficients are taken, the mean by default.
    """

    def __init__(self, law: Law, inputs: Mapping[str, ArrayLike], centre: Mapping[str, float] | None = None) -> None:
        self.law = law
        self.n_params = len(law.params)
        self._logs = {name: np.log(np.asarray(inputs[name], float)) for name in law.inputs}
        self.centre = dict(centre or {name: float(values.mean()) for name, values in self._logs.items()})
        for term in law.terms:
            if term.coefficient in law.fixed:  # the one held is that at N = D = 1
                self.centre |= dict.fromkeys(term.exponents, 0.0)
        self.n_rows = len(next(iter(self._logs.values())))
        self.position = {name: i for i, name in enumerate(law.params)}
        built = [self._design(term.coefficient, term.exponents) for term in law.terms]
        if law.offset and not law.outer:
            built.append(self._design(law.offset, {}))
        self.designs = [design for design, _ in built]
        self._bases = [base for _, base in built]
        self._columns = [_columns(U) for U in self.designs]
        self._squares = [(U[:, :, None] * U[:, None, :]).reshape(len(U), -1) for U in self.designs]

    def subset(self, rows: Rows) -> Self:
        """The same function, same centre, on some of the rows."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part.n_rows = len(rows)
        part.designs = [U_nP[rows] for U_nP in self.designs]
        part._bases = [base_n[rows] for base_n in self._bases]
        part._columns = [_columns(U_nP) for U_nP in part.designs]
        part._squares = [squares_nQ[rows] for squares_nQ in self._squares]
        return part

    def _design(self, name: str, exponents: Mapping[str, str | float]) -> tuple[Array, Array]:
        """U_nP and base_n of one term's logarithm, u = U z + base."""
        U_nP = np.zeros((self.n_rows, self.n_params))
        base_n = np.zeros(self.n_rows)
        U_nP[:, self.position[name]] = 1.0
        for variable, exponent in exponents.items():
            centred = self._logs[variable] - self.centre[variable]
            if isinstance(exponent, str):
                U_nP[:, self.position[exponent]] -= centred
            else:
                base_n -= exponent * centred
        return U_nP, base_n

    def to_internal(self, params: Mapping[str, ArrayLike]) -> Array:
        """Internal vectors (..., P) of natural parameters (E = 0 becomes ln 0, which is clipped)."""
        law = self.law
        columns = {name: np.asarray(params[name], float) for name in law.params}
        with np.errstate(divide="ignore"):
            for name in law.positive:
                columns[name] = np.log(columns[name])
        for term in law.terms:
            columns[term.coefficient] = columns[term.coefficient] - self._shift(term, params)
        columns |= self._fixed()
        return np.stack(np.broadcast_arrays(*columns.values()), axis=-1)

    def to_natural(self, z: Array) -> dict[str, Array]:
        """Natural parameters of internal vectors (..., P)."""
        law = self.law
        params = {name: z[..., i] for name, i in self.position.items()}
        for term in law.terms:
            params[term.coefficient] = params[term.coefficient] + self._shift(term, params)
        for name in law.positive:
            params[name] = np.exp(params[name])
        return params | {name: np.full(z.shape[:-1], value) for name, value in law.fixed.items()}

    def _fixed(self) -> dict[str, Array]:
        """Internal values of the parameters that are held."""
        with np.errstate(divide="ignore"):
            logs = {
                name: np.log(value) if name in self.law.positive else value for name, value in self.law.fixed.items()
            }
        return {name: np.asarray(max(value, -LOG_LIMIT / 4), float) for name, value in logs.items()}

    def _shift(self, term: Term, params: Mapping[str, ArrayLike]) -> Array:
        """Ln coefficient minus its value at the centre of the data."""
        total = np.zeros(())
        for variable, exponent in term.exponents.items():
            power = params[exponent] if isinstance(exponent, str) else exponent
            total = total + np.asarray(power, float) * self.centre[variable]
        return total

    def bounds(self, smallest_loss: float) -> tuple[Array, Array]:
        """Lower and upper bounds of the internal vector; coefficients are free.

        E has no upper bound: noise can put a loss below it.
        """
        law = self.law
        low, high = np.full(self.n_params, -LOG_LIMIT / 4), np.full(self.n_params, LOG_LIMIT / 4)
        for name in law.exponents:
            i = self.position[name]
            low[i], high[i] = law.bounds.get(name, EXPONENT_BOUNDS)
        scales = {law.outer: OUTER_BOUNDS} if law.outer else {}
        for name, usual in {**scales, **dict.fromkeys(law.repeats or (), REPEAT_BOUNDS)}.items():
            i = self.position[name]
            low[i], high[i] = np.log(law.bounds.get(name, usual))
        for name, own in law.own.items():
            i = self.position[name]
            low[i], high[i] = np.log(own.bounds) if own.positive else own.bounds
        if law.offset:
            i = self.position[law.offset]
            low[i] = np.log(OFFSET_FLOOR * smallest_loss)
        for name, value in self._fixed().items():
            low[self.position[name]] = high[self.position[name]] = value
        return low, high

    def log_terms(self, z_KP: Array) -> list[Array]:
        """u_t of every term, each (K, n)."""
        return [_limited(z_KP @ U_nP.T + base_n) for U_nP, base_n in zip(self.designs, self._bases, strict=True)]

    def evaluate(self, z_KP: Array) -> Evaluation:
        """Ln L at each of the K internal vectors."""
        shares = [np.exp(u_Kn) for u_Kn in self.log_terms(z_KP)]
        total_Kn = sum(shares[1:], start=shares[0].copy())
        for share in shares:
            share /= total_Kn
        return Evaluation(np.log(total_Kn), *shares)

    def jacobian(self, at: Evaluation) -> Array:
        """Gradient of ln L by internal parameters, shape (K, P, n)."""
        return self._mean_design(at.parts)

    def _mean_design(self, shares: tuple[Array, ...] | list[Array]) -> Array:
        """Sum of share_t U_t, shape (K, P, n)."""
        J_KPn = np.zeros((len(shares[0]), self.n_params, self.n_rows))
        for share_Kn, columns in zip(shares, self._columns, strict=True):
            for p, column_n in columns:
                J_KPn[:, p] += share_Kn if column_n is None else share_Kn * column_n
        return J_KPn

    def curvature(self, at: Evaluation, J_KPn: Array, h_Kn: Array, v_Kn: Array) -> Array:
        """Sum over rows of h J J' + v (Hessian of ln L), shape (K, P, P).

        The Hessian of LSE(u) with u = U z is sum_t share_t U_t U_t' - J J'.
        """
        return self._weighted_squares(at.parts, v_Kn) + gram(J_KPn, h_Kn - v_Kn)

    def _weighted_squares(self, shares: tuple[Array, ...] | list[Array], v_Kn: Array) -> Array:
        """Sum over rows and terms of v share_t U_t U_t'."""
        total = np.zeros((len(v_Kn), self.n_params**2))
        for share_Kn, squares_nQ in zip(shares, self._squares, strict=True):
            total += (v_Kn * share_Kn) @ squares_nQ
        return total.reshape(-1, self.n_params, self.n_params)


def _columns(U_nP: Array) -> list[tuple[int, Array | None]]:
    """Parameters that a term depends on, each with its column of the design; None if that is 1 in every row."""
    taken = np.flatnonzero(U_nP.any(axis=0)).tolist()
    return [(p, None if (U_nP[:, p] == 1.0).all() else U_nP[:, p].copy()) for p in taken]


def _limited(u_Kn: Array) -> Array:
    """The same array, cut at LOG_LIMIT: two ufuncs in place cost half of `np.clip`."""
    return np.minimum(np.maximum(u_Kn, -LOG_LIMIT, out=u_Kn), LOG_LIMIT, out=u_Kn)


def gram(J_KPn: Array, weights_Kn: Array) -> Array:
    """Sum over rows of weight J J'."""
    return (J_KPn * weights_Kn[:, None, :]) @ J_KPn.transpose(0, 2, 1)


class OuterPowerSum(PowerSum):
    """A law with an outer exponent: ln L = LSE(ln E, k LSE(u))."""

    def evaluate(self, z_KP: Array) -> Evaluation:
        """Ln L at each of the K internal vectors."""
        outer_K1 = np.exp(z_KP[:, self.position[self.law.outer or ""], None])
        inner = super().evaluate(z_KP)
        log_sum_Kn = inner.log_loss_Kn
        log_power_Kn = np.clip(outer_K1 * log_sum_Kn, -LOG_LIMIT, LOG_LIMIT)
        if not self.law.offset:
            reducible_Kn = np.ones_like(log_power_Kn)
            return Evaluation(log_power_Kn, reducible_Kn, log_sum_Kn, outer_K1, *inner.parts)
        log_loss_Kn = np.logaddexp(z_KP[:, :1], log_power_Kn)
        reducible_Kn = np.exp(log_power_Kn - log_loss_Kn)
        return Evaluation(log_loss_Kn, reducible_Kn, log_sum_Kn, outer_K1, *inner.parts)

    def _power_gradient(self, at: Evaluation) -> Array:
        """Gradient of k LSE(u), shape (K, P, n)."""
        _, log_sum_Kn, outer_K1, *shares = at.parts
        G_KPn = outer_K1[:, :, None] * self._mean_design(shares)
        G_KPn[:, self.position[self.law.outer or ""]] = outer_K1 * log_sum_Kn
        return G_KPn

    def jacobian(self, at: Evaluation) -> Array:
        """Gradient of ln L by internal parameters, shape (K, P, n)."""
        reducible_Kn = at.parts[0]
        J_KPn = reducible_Kn[:, None, :] * self._power_gradient(at)
        if self.law.offset:
            J_KPn[:, 0] += 1 - reducible_Kn
        return J_KPn

    def curvature(self, at: Evaluation, J_KPn: Array, h_Kn: Array, v_Kn: Array) -> Array:
        """Sum over rows of h J J' + v (Hessian of ln L), shape (K, P, P)."""
        reducible_Kn, _, outer_K1, *shares = at.parts
        G_KPn = self._power_gradient(at)
        k = self.position[self.law.outer or ""]
        inner_v = v_Kn * reducible_Kn
        total = gram(J_KPn, h_Kn) + self._weighted_squares(shares, inner_v * outer_K1)
        # Hessian of t = k l(u): k (sum share U U' - m m') + (dk m' + m dk') k + k l dk dk', m = grad l;
        # with G = k m + k l dk this is k sum share U U' plus rank-one terms in m and dk.
        m_KPn = self._mean_design(shares)
        total -= gram(m_KPn, inner_v * outer_K1)
        cross_KP = (m_KPn * (inner_v * outer_K1)[:, None, :]).sum(axis=2)
        total[:, k, :] += cross_KP
        total[:, :, k] += cross_KP
        total[:, k, k] += (inner_v * G_KPn[:, k]).sum(axis=1)
        if self.law.offset:
            G_KPn[:, 0] -= 1.0
            total += gram(G_KPn, v_Kn * reducible_Kn * (1 - reducible_Kn))
        return total


def on_rows(law: Law, inputs: Mapping[str, ArrayLike], centre: Mapping[str, float] | None = None) -> PowerSum:
    """The law as a function of its internal parameters on these rows; centred on them by default."""
    kind = law.batched or (OuterPowerSum if law.outer else PowerSum)
    return kind(law, inputs, centre)
