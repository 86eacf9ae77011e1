"""Kaplan's one-variable laws."""

import textwrap

from matplotlib.axes import Axes

from analysis.figures import style
from analysis.figures.style import ACCENT, INK, SECOND, Labels
from analysis.fitting.result import FitResult
from analysis.frontier.one_variable_laws import OneVariableLaw


def one_variable_law(ax: Axes, law: OneVariableLaw, labels: Labels | None = None) -> Axes:
    """Draw L(N), L(D) or L(C), with what was held fixed, with and without E (Kaplan et al. 2020, fig. 1).

    Parameters
    ----------
    ax : Axes
        Drawn into.
    law : OneVariableLaw
        From `one_variable_laws`.
    labels : Labels, optional
        Which N, nats per what; by default N of any count, nats per token.

    Returns
    -------
    Axes
    """
    labels = labels or Labels()
    _draw_law(ax, law)
    ax.set(xlabel={"N": labels.n, "D": labels.d, "C": labels.c}[law.variable], ylabel=labels.loss)
    ax.set_title(_title(law), fontsize=8.5)
    style.log_axis(ax, "x", style.power if law.variable == "C" else style.short, most=4)
    finish_loss_axis(ax)
    return ax


def finish_loss_axis(ax: Axes) -> None:
    """Make the axis of the loss logarithmic, with room for the legend; of panels that share it, once for all."""
    ax.autoscale(axis="y")
    ax.set_yscale("log")
    style.make_room(ax)
    style.log_axis(ax, "y", style.plain)


def _title(law: OneVariableLaw) -> str:
    words = law.held_fixed if law.plain is None else f"at {law.held_fixed}"
    return f"L({law.variable})\n" + textwrap.fill(words, 48)


def _draw_law(ax: Axes, law: OneVariableLaw) -> None:
    x = law.points[law.variable].to_numpy(float)
    if len(x) == 0:
        ax.text(0.5, 0.5, "no points", ha="center", va="center", transform=ax.transAxes, color=style.GREY)
        return
    ax.plot(x, law.points["L"], "o", ms=4.5, color=INK, mec="white", mew=0.5, zorder=4)
    grid = style.span(x, beyond=0.08)
    if law.plain is not None:
        ax.plot(grid, law.plain.predict(**{law.variable: grid}), color=ACCENT, label=_words(law.plain))
    if law.offset is not None:
        ax.plot(grid, law.offset.predict(**{law.variable: grid}), color=SECOND, ls="--", label=_words(law.offset))
    if law.plain is not None:
        ax.legend(loc="upper right")


def _words(fitted: FitResult) -> str:
    """Its exponent with interval, and E if it has one."""
    offset = f", E = {fitted.values['E']:.2f}" if "E" in fitted.params else ""
    return rf"$\alpha_{fitted.law.inputs[0]}$ = {fitted.params['alpha']:.3f}{offset}"
