"""How the figures of a report are put together from panels, in one style."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import figures
from analysis.figures import style
from analysis.figures.one_variable_laws import finish_loss_axis
from analysis.figures.style import Labels
from analysis.fitting.result import FitResult
from analysis.frontier.approaches import Approaches
from analysis.frontier.one_variable_laws import OneVariableLaw
from analysis.runs.replicates import SeedNoise
from analysis.validation.holdout import Holdout


def single(draw: Callable[[Axes], Axes], **size: Any) -> Figure:
    """Draw a figure of one panel; the size is that of `style.new_figure`."""
    figure, ax = style.new_figure(**size)
    with style.styled():
        draw(ax)
    return figure


def compute_optimal(approaches: Approaches, labels: Labels) -> Figure:
    """Draw the compute-optimal N and D side by side."""
    figure, (left, right) = style.new_figure(2)
    with style.styled():
        figures.compute_optimal(left, approaches, "N", labels)
        figures.compute_optimal(right, approaches, "D", labels)
    return figure


def parametric_law(law: FitResult, cells: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the law as a surface, and cut at each budget."""
    figure, (left, right) = style.new_figure(2, width=10.0)
    with style.styled():
        figures.loss_surface(left, law, cells, labels)
        figures.isoflop_cuts(right, law, cells, labels)
    return figure


def one_variable_laws(laws: Mapping[str, OneVariableLaw], labels: Labels) -> Figure:
    """Draw L(N), L(D) and L(C) side by side, over one range of the loss."""
    figure, axes = style.new_figure(3, width=10.5, height=4.0, sharey=True)
    with style.styled():
        for ax, law in zip(axes, laws.values(), strict=True):
            figures.one_variable_law(ax, law, labels)
            ax.label_outer()
        finish_loss_axis(axes[0])
    return figure


def residuals(law: FitResult, cells: pd.DataFrame, noise: SeedNoise | None, labels: Labels) -> Figure:
    """Draw residuals against loss, N and D, and their histogram, with the band of seed noise."""
    figure, axes = style.new_figure(4, width=11.0, height=3.4, sharey=True, width_ratios=(1, 1, 1, 0.6))
    with style.styled():
        for ax, against in zip(axes, ("L", "N", "D"), strict=False):
            figures.residuals(ax, law, cells, against, noise, labels)
        figures.residual_histogram(axes[3], law, cells, noise)
        band = "no seed was repeated: no band" if noise is None else "grey: 95 % of the seed noise of a cell's mean"
        axes[0].set_title(band, fontsize=8.5, loc="left")
        for ax in axes:
            ax.label_outer()
    return figure


def forecast(held: Holdout, cells: pd.DataFrame, labels: Labels) -> Figure:
    """Draw the runs left out of the fit, and the errors of their forecasts; the legend stands below both."""
    figure, (left, right) = style.new_figure(2, width=9.5, height=4.5, width_ratios=(1.6, 1))
    with style.styled():
        if inside := figures.forecast(left, held, cells, labels).get_legend():
            inside.remove()
        figures.forecast_errors(right, held)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
