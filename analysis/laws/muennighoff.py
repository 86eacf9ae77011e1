"""Muennighoff et al. 2023: repeated tokens and excess parameters count less and less.

N' and D' depend on the parameters, so ln L is no longer made of terms linear in them: the gradient is written
out, the Hessian is its difference quotient. Shapes as in ``batched_law``.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Array, Rows
from analysis.laws.batched_law import Evaluation, PowerSum, gram
from analysis.laws.law import Inputs, Law, Term, frontier

STEP = 1e-6  # of the difference quotient, in log coefficients and exponents of order one


def saturate(total: ArrayLike, unique: ArrayLike, scale: ArrayLike) -> Array:
    """Effective amount of ``total``, of which ``unique`` is worth its face value.

    U + U R* (1 - exp(-R / R*)) with R = total / U - 1 repetitions (Muennighoff et al. 2023, eq. 5).
    """
    unique, scale = np.asarray(unique, float), np.asarray(scale, float)
    repetitions = np.asarray(total, float) / unique - 1
    return unique * (1 - scale * np.expm1(-repetitions / scale))


def effective_inputs(
    inputs: Mapping[str, ArrayLike], G: ArrayLike, power: ArrayLike, scales: tuple[ArrayLike, ArrayLike]
) -> dict[str, Any]:
    """N' and D' of that paper in the place of N and D.

    Parameters
    ----------
    inputs : mapping
        N, D and U, the unique tokens.
    G, power : array_like
        N_opt(D) = G (D G)^power is the size that D tokens are compute-optimal for; power = beta / alpha.
        Parameters beyond N_opt(U) are in excess.
    scales : (array_like, array_like)
        R_D* and R_N*.

    Returns
    -------
    dict
        N and D.
    """
    n, d = np.asarray(inputs["N"], float), np.asarray(inputs["D"], float)
    unique_d = np.minimum(np.asarray(inputs["U"], float), d)
    unique_n = np.minimum(n, np.asarray(G) * (unique_d * np.asarray(G)) ** np.asarray(power))
    return {"N": saturate(n, unique_n, scales[1]), "D": saturate(d, unique_d, scales[0])}


def _effective(law: Law, params: Mapping[str, Array], inputs: Inputs) -> Inputs:
    """N' and D' of a law's parameters; all tokens are unique if U is not given."""
    split, (r_d, r_n) = frontier(params, law), law.repeats or ("", "")
    return effective_inputs(
        {"U": inputs["D"], **inputs}, split["G"], split["a"] / split["b"], (params[r_d], params[r_n])
    )


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


muennighoff = Law(
    name="muennighoff",
    formula="L(N,D,U) = E + A/N'^alpha + B/D'^alpha",
    source="Muennighoff et al. 2023, eq. 5-7, fitted with beta = alpha",
    terms=(Term("A", {"N": "alpha"}), Term("B", {"D": "alpha"})),
    repeats=("R_D", "R_N"),
    effective=_effective,
    batched=DataConstrained,
)


def tokens_worth(params: Mapping[str, float], n_tokens: ArrayLike, share: ArrayLike, times: ArrayLike) -> Array:
    """Unique tokens that a mixture is worth, of which a share is one small part seen many times.

    The rest is unique and counts in full; the repeated part counts as eq. 5 has it. Hernandez et al. 2022 trained such
    mixtures: a tenth of the tokens, a part of .1 % of them seen 100 times.

    Parameters
    ----------
    params : mapping
        With R_D, of the fitted law.
    n_tokens : array_like
        D, all tokens of the run.
    share : array_like
        Share of D that is repeats of the part.
    times : array_like
        How often the part is seen, 1 or more.

    Returns
    -------
    ndarray
        D'.

    Examples
    --------
    >>> float(tokens_worth({"R_D": 15.387756}, 1.0, 0.1, 100).round(4))
    0.9164
    """
    repeated = np.asarray(share, float) * np.asarray(n_tokens, float)
    return (
        np.asarray(n_tokens, float) - repeated + saturate(repeated, repeated / np.asarray(times, float), params["R_D"])
    )


def size_of_equal_loss(
    params: Mapping[str, float], n_params: ArrayLike, n_tokens: ArrayLike, worth: ArrayLike
) -> Array:
    """Size that reaches on D unique tokens the loss that n_params reach on tokens worth ``worth`` unique ones.

    Of E + A/N^alpha + B/D^alpha: no parameter is in excess.

    Returns
    -------
    ndarray
        NaN if no size is that bad.
    """
    power = params["alpha"]
    lost = params["B"] * (np.asarray(worth, float) ** -power - np.asarray(n_tokens, float) ** -power)
    term = params["A"] * np.asarray(n_params, float) ** -power + lost
    return np.where(term > 0, (params["A"] / np.where(term > 0, term, np.nan)) ** (1 / power), np.nan)


def tokens_of_loss(params: Mapping[str, float], n_effective: ArrayLike, loss: ArrayLike) -> Array:
    """D' at which L = E + A/N'^alpha + B/D'^alpha has a loss; infinite if N' alone does not reach it."""
    left = np.asarray(loss, float) - params["E"] - params["A"] * np.asarray(n_effective, float) ** -params["alpha"]
    with np.errstate(divide="ignore"):
        return (params["B"] / np.maximum(left, 0.0)) ** (1 / params["alpha"])
