"""Kaplan's three one-variable laws."""

import textwrap
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.style import ACCENT, INK, SECOND, Labels
from analysis.fitting.result import FitResult
from analysis.frontier.one_variable_laws import OneVariableLaw


def one_variable(laws: Mapping[str, OneVariableLaw], labels: Labels) -> Figure:
    """L(N), L(D) and L(C), each saying what was held fixed, with and without E (Kaplan et al. 2020, fig. 1).

    Parameters
    ----------
    laws : mapping
        From `one_variable_laws`: "alpha_N", "alpha_D", "alpha_C".
    labels : Labels
        Which N, nats per what.
    """
    figure, axes = style.new_figure(3, width=10.5, height=4.0, sharey=True)
    names = {"N": labels.n, "D": labels.d, "C": labels.c}
    with style.styled():
        for ax, law in zip(axes, laws.values(), strict=True):
            _draw_law(ax, law)
            ax.set_xlabel(names[law.variable])
            ax.set_title(_title(law), fontsize=8.5)
            style.log_axis(ax, "x", style.power if law.variable == "C" else style.short, most=4)
        axes[0].set_yscale("log")
        style.make_room(axes[0])
        style.log_axis(axes[0], "y", style.plain)
        axes[0].set_ylabel(labels.loss)
    return figure


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
