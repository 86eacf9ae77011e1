"""Approach 2: a parabola through the losses of each budget (Hoffmann et al. 2022, section 3.2)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.runs.budgets import budget_groups

MIN_SIZES = 4
ENOUGH_SIZES = 5
SAME_C = 0.02
"""Relative spread of C within a budget up to which its runs are of one compute."""
NEARLY_SAME_C = 0.05
"""Up to here a budget is still used, with a warning, if it cannot be interpolated."""


@dataclass(frozen=True)
class Slice:
    """The cells of one budget and the parabola of L in ln N through them.

    ``coefficients`` are those of (ln N - centre)^0, ^1, ^2; ``problem`` says why the minimum cannot be used.
    """

    train_flops: float
    rows: Rows
    centre: float
    coefficients: Array
    n_opt: float
    d_opt: float
    loss: float
    problem: str | None

    def curve(self, n_params: Array) -> Array:
        """The parabola, for drawing."""
        x = np.log(n_params) - self.centre
        return self.coefficients[0] + self.coefficients[1] * x + self.coefficients[2] * x**2


def slices(cells: pd.DataFrame) -> list[Slice]:
    """A parabola for every budget of four sizes or more at equal compute, and for others the reason why not.

    Where C varies within budgets, first `common_compute.at_common_compute`.
    """
    return [_slice(cells, rows) for rows in budget_groups(cells.C.to_numpy())]


def spread_of(train_flops: Array) -> float:
    """How far the C of one budget lie apart, relative."""
    return float(np.max(train_flops) / np.min(train_flops) - 1)


def why_none(group: pd.DataFrame) -> str | None:
    """Why the cells of one budget cannot have a parabola: too few sizes, or not one compute."""
    if (n_sizes := group.N.nunique()) < MIN_SIZES:
        return f"{n_sizes} sizes, at least {MIN_SIZES} are needed"
    if (spread := spread_of(group.C.to_numpy(float))) > NEARLY_SAME_C:
        return f"C varies by {spread:.0%} between its sizes, and too few were trained on both sides of one C"
    return None


def _slice(cells: pd.DataFrame, rows: Rows) -> Slice:
    group = cells.iloc[rows]
    train_flops = float(np.exp(np.log(group.C).mean()))
    log_n, loss = np.log(group.N.to_numpy()), group.L.to_numpy()
    if reason := why_none(group):
        nan = float("nan")
        return Slice(train_flops, rows, float(log_n.mean()), np.full(3, nan), nan, nan, nan, reason)
    coefficients = parabolas(log_n, loss[None])[0]
    vertex, low = vertex_of(log_n, loss[None])
    d_opt, _ = vertex_of(np.log(group.D.to_numpy()), loss[None])
    return Slice(
        train_flops,
        rows,
        float(log_n.mean()),
        coefficients,
        float(np.exp(vertex[0])),
        float(np.exp(d_opt[0])),
        float(low[0]),
        _problem(log_n, coefficients),
    )


def _problem(log_n: Array, coefficients: Array) -> str | None:
    """Why a minimum cannot be used: no minimum, or outside the sizes trained."""
    if coefficients[2] <= 0:
        return "the parabola has no minimum"
    vertex = log_n.mean() - coefficients[1] / (2 * coefficients[2])
    if vertex <= log_n.min():
        return "minimum at the edge: below the smallest size"
    if vertex >= log_n.max():
        return "minimum at the edge: above the largest size"
    return None


def parabolas(x: Array, y_Kn: Array) -> Array:
    """Least-squares coefficients of (x - mean)^0, ^1, ^2 for K sets of values, (K, 3)."""
    X = np.vander(x - x.mean(), 3, increasing=True)
    return y_Kn @ np.linalg.pinv(X).T


def vertex_of(x: Array, y_Kn: Array) -> tuple[Array, Array]:
    """Minimum of the parabola through K sets of values: its place, held inside the grid, and height.

    A parabola that bends down has its minimum at the edge where it falls.
    """
    c0, c1, c2 = parabolas(x, y_Kn).T
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.where(c2 > 0, -c1 / (2 * c2), np.where(c1 > 0, -np.inf, np.inf))
    place = np.clip(place, x.min() - x.mean(), x.max() - x.mean())
    return place + x.mean(), c0 + c1 * place + c2 * place**2


def run_scatter(cells: pd.DataFrame, pieces: list[Slice]) -> float:
    """Scatter of one run's ln L about the parabolas, as the means show it, three degrees of freedom a budget.

    NaN with none left.
    """
    squares, dof = 0.0, 0
    for piece in pieces:
        if np.isfinite(piece.coefficients).all():
            group = cells.iloc[piece.rows]
            residual = group.L.to_numpy() / piece.curve(group.N.to_numpy()) - 1
            squares += float((group.n_seeds.to_numpy() * residual**2).sum())
            dof += len(group) - 3
    return float(np.sqrt(squares / dof)) if dof > 0 else float("nan")
