"""How far a parabola's vertex lies from the optimum on this very grid, and approach 2 without that bias.

A curve E + A/N^alpha + B/D^beta at C = 6 N D is a parabola in ln N only for alpha = beta and sizes centred on
the optimum. The shift of the vertex depends on the exponents and on where the sizes lie (Czech et al. 2026):
the same for all budgets it moves the intercept, drifting with C it moves the exponent too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.arrays import Array
from analysis.fitting.result import FitResult
from analysis.frontier.approach2_isoflop import Slice, vertex_of
from analysis.frontier.frontier_line import Approach, Drawn, approach_through, weighted_line
from analysis.laws.cost_model import optimal_under

NAME = "2 corrected"
SMALL_N_OPT = 0.01
SMALL_A = 0.005


@dataclass(frozen=True)
class ParabolaBias:
    """Bias of approach 2 if the parametric law is the truth.

    Attributes
    ----------
    n_opt, d_opt : array (budgets,)
        Relative error of N_opt and D_opt of each usable budget.
    a, b : float
        Error of the exponents.
    """

    n_opt: Array
    d_opt: Array
    a: float
    b: float

    @property
    def matters(self) -> bool:
        """Whether it is worth a warning: 1 % of N_opt at any budget, or 0.005 in a."""
        return bool(np.abs(self.n_opt).max() > SMALL_N_OPT or abs(self.a) > SMALL_A)

    def sentence(self) -> str:
        """The bias in words."""
        return (
            f"on this grid a parabola errs by {self.n_opt.min():+.1%} to {self.n_opt.max():+.1%} in N_opt and "
            f"{self.a:+.4f} in a, if the parametric law holds (Czech et al. 2026)"
        )


def parabola_shift(alpha: float, beta: float, reach: float, n_sizes: int = 15, off_centre: float = 1.0) -> float:
    """Ln vertex minus ln optimum in N of a parabola through noise-free losses at one C.

    With x = ln N - ln N_opt the loss is E + k (exp(-alpha x)/alpha + exp(beta x)/beta) whatever E, A, B and C are, so
    that the exponents and the sizes decide the shift alone.

    Parameters
    ----------
    alpha, beta : float
        Exponents of Chinchilla's law.
    reach : float
        Sizes are log-spaced from the centre / reach to the centre * reach.
    n_sizes : int
        Sizes at the budget.
    off_centre : float
        Centre over N_opt.

    Returns
    -------
    float
        The same for D, with the other sign, as D = C / 6N.
    """
    x = np.log(off_centre) + np.linspace(-1, 1, n_sizes) * np.log(reach)
    return float(vertex_of(x, (np.exp(-alpha * x) / alpha + np.exp(beta * x) / beta)[None])[0][0])


def vertex_shifts(
    pieces: Sequence[Slice], cells: pd.DataFrame, law_fit: FitResult, params: Mapping[str, ArrayLike]
) -> tuple[Array, Array]:
    """Ln vertex minus ln optimum in N and in D, (K, budgets), of K parameter vectors on the grid of each budget."""
    columns = {name: np.asarray(values, float)[:, None] for name, values in params.items()}
    shift_n, shift_d = [], []
    for piece in pieces:
        group = cells.iloc[piece.rows]
        N, D = group.N.to_numpy(), group.D.to_numpy()
        best = optimal_under(law_fit.cost, law_fit.law, columns, piece.train_flops)
        loss_Kn = law_fit.law.predict(columns, N=N, D=D)
        with np.errstate(divide="ignore"):  # a law whose best size is 0 has no shift: it is infinite
            shift_n.append(vertex_of(np.log(N), loss_Kn)[0] - np.log(best.n_params[:, 0]))
            shift_d.append(vertex_of(np.log(D), loss_Kn)[0] - np.log(best.n_tokens[:, 0]))
    return np.stack(shift_n, axis=1), np.stack(shift_d, axis=1)


def corrected(
    second: Approach, pieces: Sequence[Slice], cells: pd.DataFrame, law_fit: FitResult, drawn: tuple[Array, Array]
) -> tuple[Approach, ParabolaBias]:
    """Approach 2 with the vertex shift that the parametric law implies taken off.

    Parameters
    ----------
    second : Approach
        Approach 2 on the same ``pieces``.
    pieces : sequence of Slice
        Budgets it used.
    cells : DataFrame
        From `replicates.design_cells`.
    law_fit : FitResult
        Approach 3's law; its draws belong to the same noise as ``drawn``.
    drawn : (array, array)
        Ln N_opt and ln D_opt of every resample, (K, budgets).

    Returns
    -------
    Approach, ParabolaBias
    """
    point = {name: np.array([value]) for name, value in law_fit.values.items()}
    shift_n, shift_d = (shift[0] for shift in vertex_shifts(pieces, cells, law_fit, point))
    drawn_n, drawn_d = vertex_shifts(pieces, cells, law_fit, law_fit.draws)
    points = second.points.assign(
        N_opt=second.points.N_opt * np.exp(-shift_n), D_opt=second.points.D_opt * np.exp(-shift_d)
    )
    log_c, equal = np.log(points.C.to_numpy()), np.ones(len(points))
    slopes = [float(weighted_line(log_c, shift[None], equal)[0][0]) for shift in (shift_n, shift_d)]
    bias = ParabolaBias(np.expm1(shift_n), np.expm1(shift_d), *slopes)
    approach = approach_through(NAME, points, Drawn(drawn[0] - drawn_n), Drawn(drawn[1] - drawn_d), second.excluded)
    return approach, bias
