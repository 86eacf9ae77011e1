"""The gradient noise scale, and the batches that were best."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from analysis.figures import style
from analysis.figures.style import INK, SECOND, Labels, Shades
from analysis.hyperparameters.gradient_noise import NoisePoint
from analysis.hyperparameters.optima import BestSettings

NORMAL_95 = 1.96
MOST_BATCHES = 4  # with a line each


def noise_scale(
    ax: Axes, points: Sequence[NoisePoint], optima: Sequence[BestSettings] = (), labels: Labels | None = None
) -> Axes:
    """Draw B_simple against the loss it was measured at, with intervals (McCandlish et al. 2018, fig. 5).

    Parameters
    ----------
    ax : Axes
        Drawn into; a colour bar is put beside it.
    points : sequence of NoisePoint
        From `gradient_noise.noise_points`; those without a value are counted in the title.
    optima : sequence of BestSettings
        From `gradient_noise.best_batches`; without any, the batch of the runs is drawn.
    labels : Labels, optional
        Which N, nats per what; by default N of any count, nats per token.

    Returns
    -------
    Axes
    """
    labels = labels or Labels()
    known = [point for point in points if point.tokens is not None]
    shades = Shades([point.n_params for point in points])
    if known:
        _draw_points(ax, known, shades)
    _draw_best(ax, optima, {point.batch_tokens for point in points})
    ax.set(xlabel=f"{labels.loss}, falling", ylabel=f"batch, {labels.unit}s")
    lost = len(points) - len(known)
    low = "; near them, those shown read low" if lost else ""
    ax.set_title(f"{lost} of {len(points)} points lost in noise: |G|² not above zero{low}", fontsize=8.5)
    ax.set_yscale("log")
    style.make_room(ax)
    style.log_axis(ax, "x", style.plain)
    style.log_axis(ax, "y")
    ax.invert_xaxis()
    ax.legend(loc="upper left")
    shades.bar(ax, labels.n)
    return ax


def _draw_points(ax: Axes, points: Sequence[NoisePoint], shades: Shades) -> None:
    """Points with intervals, those of one size and batch joined; all at once, since a sweep may have thousands."""
    loss, tokens = np.array([(point.loss_nats, point.tokens) for point in points]).T
    low, high = np.array([point.ci95 for point in points]).T
    colours = [shades.of(point.n_params) for point in points]
    keys = np.array([(point.n_params, point.batch_tokens) for point in points])
    starts = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
    lines = np.split(np.column_stack([loss, tokens]), starts)
    ax.add_collection(LineCollection(lines, colors=[colours[first] for first in (0, *starts)], linewidths=0.9))
    ax.vlines(loss, low, high, colours, linewidths=0.9)
    ax.scatter(loss, tokens, 16, colours, edgecolors="white", linewidths=0.5, zorder=3)
    look = {"fmt": "o-", "ms": 4, "lw": 0.9, "color": colours[0], "mec": "white", "mew": 0.5}
    ax.errorbar([], [], [], label="gradient noise scale, 95 %", **look)  # for the legend


def _draw_best(ax: Axes, optima: Sequence[BestSettings], batches: set[int]) -> None:
    """Minima with their intervals, and the ends of what was tried where the best lies there."""
    for label, at_end, marker in (("best batch, 95 %", False, "*"), ("best tried, at an end of them", True, "v")):
        drawn = [o for o in optima if (o.best["batch_tokens"].problem is not None) == at_end]
        best = [o.best["batch_tokens"] for o in drawn]
        values = np.array([b.value for b in best])
        errors = values * (np.exp(NORMAL_95 * np.array([b.log_stderr or 0.0 for b in best])) - 1)
        if drawn:
            look = {"fmt": marker, "ms": 9, "color": SECOND, "mec": "white", "elinewidth": 1, "zorder": 4}
            ax.errorbar([o.loss_nats for o in drawn], values, errors, label=label, **look)
    if not optima and len(batches) > MOST_BATCHES:
        least, most = min(batches), max(batches)
        ax.axhspan(least, most, color=INK, alpha=0.08, lw=0, label=f"batches of these runs, {least:,} to {most:,}")
    elif not optima:
        for batch in sorted(batches):
            ax.axhline(batch, color=INK, lw=0.9, ls="--", label=f"batch of these runs, {batch:,}")
