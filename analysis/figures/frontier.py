"""Training curves with their envelope, IsoFLOP parabolas, and the compute-optimal N and D."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from analysis.arrays import Array
from analysis.figures import style
from analysis.figures.style import GREY, INK, Labels, Shades, labels_of
from analysis.fitting.result import FitResult
from analysis.frontier.approach1_envelope import Envelope
from analysis.frontier.approach2_isoflop import Slice, slices
from analysis.frontier.approaches import Approaches
from analysis.frontier.common_compute import at_common_compute
from analysis.frontier.frontier_line import Approach
from analysis.laws.cost_model import optimal_under
from analysis.laws.published import PUBLISHED
from analysis.runs.curves import Points, curves_of
from analysis.runs.selection import Runs

REFERENCES = ("kaplan2020", "hoffmann2022_approach1")
MARKERS = {"1": ".", "2": "s", "3": "D"}
MOST_POINTS = 40
MOST_NAMED = 24  # lines of a legend: more do not fit beside the axes
LEFT_OUT = "#bbbbbb"
MOST_LINES = 1000  # of which an SVG takes 4 kB each: more are an image in it


def loss_curves(
    ax: Axes,
    runs: Runs,
    curves: Mapping[object, Points] | None = None,
    traced: Envelope | None = None,
    labels: Labels | None = None,
) -> Axes:
    """Draw loss against compute for all runs, coloured by N (Kaplan et al. 2020, fig. 1; Hoffmann et al. 2022, fig. 2).

    Parameters
    ----------
    ax : Axes
        Drawn into; a colour bar is put beside it.
    runs : Runs
        For N of each run.
    curves : mapping, optional
        From `curves.curves_of`: tokens and loss by index of the run; by default read from the runs.
    traced : Envelope, optional
        Drawn in black where it is bracketed in N, dotted where it is not.
    labels : Labels, optional
        Which N, nats per what; by default of the runs.

    Returns
    -------
    Axes
    """
    labels = labels or labels_of(runs)
    shades = Shades(runs.frame["N"])
    sizes = runs.frame["N"].to_dict()
    drawn = curves_of(runs) if curves is None else curves
    lines = [np.column_stack([6 * sizes[index] * tokens, loss]) for index, (tokens, loss) in drawn.items()]
    colours = {size: shades.of(size) for size in set(sizes.values())}
    many = len(lines) > MOST_LINES
    ax.add_collection(
        LineCollection(
            lines, colors=[colours[sizes[index]] for index in drawn], linewidths=0.8, alpha=0.65, rasterized=many
        )
    )
    ax.autoscale_view()
    if traced is not None:
        _draw_envelope(ax, traced)
    ax.set(xlabel=labels.c, ylabel=labels.loss)
    style.log_axis(ax, "x", style.power)
    style.log_axis(ax, "y", style.plain)
    shades.bar(ax, labels.n)
    return ax


def _draw_envelope(ax: Axes, traced: Envelope) -> None:
    lowest = np.exp(traced.log_loss.min(axis=0))
    kept = np.where(traced.kept, lowest, np.nan)
    if not traced.kept.all():
        left_out = np.where(np.isfinite(lowest) & ~traced.kept, lowest, np.nan)
        ax.plot(
            traced.train_flops, left_out, color=INK, lw=1.6, ls=":", label="left out: lowest at the edge of the sizes"
        )
    ax.plot(traced.train_flops, kept, color=INK, lw=1.8, label="envelope of the curves")
    ax.legend(loc="lower left")


def isoflop_parabolas(
    ax: Axes,
    runs: Runs,
    cells: pd.DataFrame | None = None,
    pieces: Iterable[Slice] | None = None,
    labels: Labels | None = None,
) -> Axes:
    """Draw final loss against N for each budget, with its parabola and vertex (Hoffmann et al. 2022, fig. 3).

    Parameters
    ----------
    ax : Axes
        Drawn into; the legend, or a colour bar if the budgets are many, stands to its right.
    runs : Runs
        Each seed is a dot.
    cells : DataFrame, optional
        The means the parabolas go through, at one C in each budget: by default those of the runs, by
        `common_compute.at_common_compute`.
    pieces : iterable of Slice, optional
        From `approach2_isoflop.slices`, by default of the cells; those with a problem are greyed, and the legend says
        why.
    labels : Labels, optional
        Which N, nats per what; by default of the runs.

    Returns
    -------
    Axes
    """
    labels = labels or labels_of(runs)
    cells = at_common_compute(style.cells_of(runs)).cells if cells is None else cells
    pieces = sorted(slices(cells) if pieces is None else pieces, key=lambda piece: -piece.train_flops)
    shades = Shades([piece.train_flops for piece in pieces])
    for piece in pieces:
        _draw_slice(ax, piece, cells.iloc[piece.rows], runs.frame, shades)
    vertex = ax.plot([], [], marker="*", ms=11, mec=INK, mfc="white", ls="", label="vertex")
    seed = ax.plot([], [], marker=".", ms=5, color=GREY, ls="", label="one seed")
    ax.set(xlabel=labels.n, ylabel=labels.loss)
    style.log_axis(ax, "x")
    style.log_axis(ax, "y", style.plain)
    if sum(text.count("\n") + 1 for text in ax.get_legend_handles_labels()[1]) <= MOST_NAMED:
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title=labels.c, alignment="left")
        return ax
    n_left_out = sum(piece.problem is not None for piece in pieces)
    greyed = ax.plot([], [], color=LEFT_OUT, ls="--", label=f"{n_left_out} budgets left out: the table says why")
    ax.legend(handles=[*vertex, *seed, *(greyed if n_left_out else [])])
    shades.bar(ax, labels.c, style.power)
    return ax


def _draw_slice(ax: Axes, piece: Slice, group: pd.DataFrame, frame: pd.DataFrame, shades: Shades) -> None:
    """Seeds, means, parabola and vertex of one budget."""
    usable = piece.problem is None
    colour = shades.of(piece.train_flops) if usable else LEFT_OUT
    seeds = frame.merge(group[["N", "D"]], on=["N", "D"])
    ax.plot(seeds["N"], seeds["L"], ".", ms=3.5, color=colour, alpha=0.5)
    ax.plot(group["N"], group["L"], "o", ms=4.5, color=colour, mec="white", mew=0.5)
    label = style.power(piece.train_flops)
    if not usable:
        label = "\n".join(textwrap.wrap(f"{label} left out: {piece.problem}", 34))
    grid = style.span(group["N"])
    ax.plot(grid, piece.curve(grid), color=colour, lw=1.3, ls="-" if usable else "--", label=label)
    if usable:
        ax.plot(piece.n_opt, piece.loss, marker="*", ms=11, mec=colour, mfc="white", ls="", zorder=4)


def compute_optimal(
    ax: Axes, approaches: Approaches, symbol: Literal["N", "D"] = "N", labels: Labels | None = None
) -> Axes:
    """Draw the compute-optimal N or D against C by the three approaches (Hoffmann et al. 2022, figs. 1 and A3).

    Shaded bands are 95 % intervals over the shared noise draws: of the whole fit for approach 3, of the
    slope, turned about the middle of the points, for approaches 1 and 2. Thin lines have the published slopes.

    Parameters
    ----------
    ax : Axes
        Drawn into.
    approaches : Approaches
        From `three_approaches`.
    symbol : {"N", "D"}
        Which of the two.
    labels : Labels, optional
        Which N, nats per what; by default of the fit.

    Returns
    -------
    Axes
    """
    labels = labels or labels_of(approaches.parametric)
    C = style.span(approaches.cells["C"], beyond=0.15)
    _draw_references(ax, approaches.parametric, C, symbol)
    for name, approach in approaches.approaches.items():
        _draw_approach(ax, approach, approaches.parametric if name == "3" else None, C, symbol)
    ax.set(xlabel=labels.c, ylabel=f"optimal {labels.n if symbol == 'N' else labels.d}")
    style.log_axis(ax, "x", style.power, most=4)
    ax.set_yscale("log")
    style.make_room(ax, 0.3)
    style.log_axis(ax, "y")
    ax.legend(loc="upper left")
    return ax


def _draw_approach(ax: Axes, approach: Approach, parametric: FitResult | None, C: Array, symbol: str) -> None:
    """Points, line and band of one approach."""
    exponent = approach.a if symbol == "N" else approach.b
    if not np.isfinite(exponent.value):
        return
    name, colour = approach.name, style.APPROACH_COLOURS[approach.name]
    line = approach.n_opt(C) if symbol == "N" else approach.d_opt(C)
    bounds = _slope_band(approach, C, line, symbol) if parametric is None else _fit_band(parametric, C, symbol)
    points = approach.points.iloc[:: max(1, len(approach.points) // MOST_POINTS)]
    ax.fill_between(C, *bounds, color=colour, alpha=0.15, lw=0)
    ax.plot(C, line, color=colour, lw=1.3)
    letter = "a" if symbol == "N" else "b"
    label = f"approach {name}: {letter} = {exponent:.2f}"
    marker, face = MARKERS[name], "white" if name == "3" else colour
    ax.plot(points["C"], points[f"{symbol}_opt"], color=colour, ls="", marker=marker, ms=5, mfc=face)
    ax.plot([], [], color=colour, marker=marker, ms=5, mfc=face, label=label)


def _slope_band(approach: Approach, C: Array, line: Array, symbol: str) -> Array:
    """95 % of lines of the drawn slopes through the middle of the points, (2, C)."""
    slope, draws = (approach.a, approach.a_draws) if symbol == "N" else (approach.b, approach.b_draws)
    log_c = np.log(C) - np.log(approach.points["C"]).mean()
    turned = (draws[:, None] - slope.value) * log_c
    return line * np.exp(np.nanpercentile(turned, [2.5, 97.5], axis=0))


def _fit_band(parametric: FitResult, C: Array, symbol: str) -> Array:
    """95 % of the optima of the drawn parameters, (2, C); draws without an optimum (alpha or beta 0) have none."""
    draws = {name: values[:, None] for name, values in parametric.draws.items()}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        best = optimal_under(parametric.cost, parametric.law, draws, C)
    drawn = best.n_params if symbol == "N" else best.n_tokens
    drawn = drawn[(np.isfinite(drawn) & (drawn > 0)).all(axis=1)]
    return np.percentile(drawn, [2.5, 97.5], axis=0) if len(drawn) else np.full((2, len(C)), np.nan)


def _draw_references(ax: Axes, parametric: FitResult, C: Array, symbol: str) -> None:
    """Published slopes through the parametric optimum at the middle budget."""
    middle = float(np.sqrt(C[0] * C[-1]))
    best = parametric.optimal(middle)
    level = float(best.n_params if symbol == "N" else best.n_tokens)
    for key, dashes in zip(REFERENCES, ((6, 2), (2, 2)), strict=True):
        slope, source = {"N": PUBLISHED[key].a, "D": PUBLISHED[key].b}[symbol], PUBLISHED[key].source.split(",")[0]
        if slope is None:
            continue
        line = Line2D([C[0], C[-1]], level * (np.array([C[0], C[-1]]) / middle) ** slope)
        line.set(color=GREY, linewidth=0.9, dashes=dashes, label=f"slope {slope:.2f} ({source})")
        ax.add_line(line)
