"""The parametric law as a surface over C and N, and cut at each budget."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from analysis.arrays import Array
from analysis.figures import style
from analysis.figures.style import INK, SECOND, Labels, Shades, labels_of
from analysis.fitting.result import FitResult
from analysis.runs.budgets import budget_groups
from analysis.runs.selection import Runs

LEVELS = 11


def loss_surface(ax: Axes, law: FitResult, runs: Runs | pd.DataFrame, labels: Labels | None = None) -> Axes:
    """Draw contours of the loss over C and N, with the efficient frontier (Hoffmann et al. 2022, fig. 4, left).

    Parameters
    ----------
    ax : Axes
        Drawn into.
    law : FitResult
        A law in N and D.
    runs : Runs or DataFrame
        The runs, or their means, of `replicates.design_cells`.
    labels : Labels, optional
        Which N, nats per what; by default of the fit.

    Returns
    -------
    Axes
    """
    labels = labels or labels_of(law)
    _draw_surface(ax, law, style.cells_of(runs))
    ax.set(xlabel=labels.c, ylabel=labels.n, title=f"loss of the fit, nats/{labels.unit}")
    style.log_axis(ax, "x", style.power, most=4)
    style.log_axis(ax, "y")
    ax.legend(loc="lower right", framealpha=0.85, frameon=True, edgecolor="none")
    return ax


def isoflop_cuts(ax: Axes, law: FitResult, runs: Runs | pd.DataFrame, labels: Labels | None = None) -> Axes:
    """Draw the law against N at each budget, with the means of the runs (Hoffmann et al. 2022, fig. 4, right).

    Parameters
    ----------
    ax : Axes
        Drawn into; the legend stands to its right.
    law : FitResult
        A law in N and D.
    runs : Runs or DataFrame
        The runs, or their means, of `replicates.design_cells`.
    labels : Labels, optional
        Which N, nats per what; by default of the fit.

    Returns
    -------
    Axes
    """
    labels = labels or labels_of(law)
    _draw_cuts(ax, law, style.cells_of(runs))
    ax.set(xlabel=labels.n, ylabel=labels.loss, title="the fit at each budget, and the means of the runs")
    style.log_axis(ax, "x")
    style.log_axis(ax, "y", style.plain)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title="C, FLOP")
    return ax


def _draw_surface(ax: Axes, parametric: FitResult, cells: pd.DataFrame) -> None:
    C, N = style.span(cells["C"], beyond=0.12, n=120), style.span(cells["N"], beyond=0.08, n=120)
    loss = parametric.predict(N=N[:, None], D=parametric.cost.tokens(C, N[:, None]))
    levels = _levels(loss)
    ax.contourf(C, N, loss, levels=levels, cmap=style.LOSS_MAP, norm=LogNorm(), extend="both", alpha=0.8)
    lines = ax.contour(C, N, loss, levels=levels, colors="#555555", linewidths=0.6)
    ax.clabel(lines, levels[1::2], fmt="%.3g", fontsize=8, colors=INK)
    best = np.asarray(parametric.optimal(C).n_params)
    ax.plot(C, np.where((best >= N[0]) & (best <= N[-1]), best, np.nan), color=SECOND, lw=2, label="efficient frontier")
    ax.plot(cells["C"], cells["N"], "o", ms=4, color=INK, mec="white", mew=0.6, label="runs")
    ax.set(xlim=(C[0], C[-1]), ylim=(N[0], N[-1]))


def _levels(loss: Array) -> Array:
    """Contour levels closer together where the loss is low, as the surface flattens there."""
    low, high = float(loss.min()), float(np.quantile(loss, 0.98))
    return low + (high - low) * np.linspace(0.03, 1, LEVELS) ** 1.5


def _draw_cuts(ax: Axes, parametric: FitResult, cells: pd.DataFrame) -> None:
    groups = [cells.iloc[rows] for rows in budget_groups(cells["C"].to_numpy())]
    shades = Shades([float(group["C"].mean()) for group in groups])
    for group in reversed(groups):
        C = float(np.exp(np.log(group["C"]).mean()))
        N = style.span(group["N"], beyond=0.05)
        colour = shades.of(float(group["C"].mean()))
        ax.plot(N, parametric.predict(N=N, D=parametric.cost.tokens(C, N)), color=colour, lw=1.3, label=style.power(C))
        ax.plot(group["N"], group["L"], "o", ms=4, color=colour, mec="white", mew=0.5)
