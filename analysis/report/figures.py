"""Every figure of a report: what it is called, what must be seen and what is, and when it cannot be drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import figures
from analysis.figures.style import Labels, labels_of
from analysis.frontier.approach2_isoflop import MIN_SIZES, Slice
from analysis.hyperparameters.gradient_noise import NoisePoint, best_batches, noise_points
from analysis.report import figure_data, findings, panels
from analysis.report.panels import single
from analysis.report.summary import Analysis
from analysis.runs.conventions import token_unit
from analysis.runs.curves import Curves
from analysis.runs.selection import Runs
from analysis.validation.holdout import MIN_BUDGETS_LEFT, Holdout

T = TypeVar("T")
A_LAW = "runs at enough N and D for a law in both"


@dataclass(frozen=True)
class Material:
    """What figures are drawn from; ``analysis`` is None, with ``reason``, if no law could be fitted.

    ``cells`` are those of the ``slices``: means over seeds, at one C in each budget.
    """

    runs: Runs
    curves: Curves
    cells: pd.DataFrame
    slices: tuple[Slice, ...]
    analysis: Analysis | None
    reason: str | None

    @property
    def labels(self) -> Labels:
        """Axis labels of these runs."""
        return labels_of(self.runs)

    @cached_property
    def noise_points(self) -> tuple[NoisePoint, ...]:
        """Measurements of the gradient noise scale."""
        return noise_points(self.runs, self.curves)


@dataclass(frozen=True)
class Entry:
    """One figure: its file name, title, what must be seen in it, and what these runs show.

    ``draw`` gives the figure, or the sentence that says why there is none. Where there is one, ``found`` says what is
    in it, and ``data`` is the table behind it. ``needs`` says what the runs must have; ``fitted`` whether a fit has a
    part in it, without which it is drawn seconds sooner. ``first`` puts it on the first screen.
    """

    name: str
    title: str
    see: str
    draw: Callable[[Material], Figure | str]
    found: Callable[[Material], str]
    data: Callable[[Material], pd.DataFrame]
    needs: str = A_LAW
    fitted: bool = True
    first: bool = False


def _loss_curves(material: Material) -> Figure | str:
    if not material.curves:
        return "No run has a training curve."
    traced = material.analysis.approaches.envelope if material.analysis else None
    return single(lambda ax: figures.loss_curves(ax, material.runs, material.curves, traced, material.labels))


def _parabolas(material: Material) -> Figure | str:
    if not any(np.isfinite(piece.coefficients).all() for piece in material.slices):
        return f"Not drawn: no budget has {MIN_SIZES} sizes or more at one C."
    return single(
        lambda ax: figures.isoflop_parabolas(ax, material.runs, material.cells, material.slices, material.labels),
        width=5.6,
    )


def _noise_scale(material: Material) -> Figure | str:
    points = material.noise_points
    if not points:
        return "Not drawn: no run measured the gradient noise scale (evaluation.noise_every), or none by its curve."
    if all(point.tokens is None for point in points):
        return f"Not drawn: {points[0].reason}, and so at each of {len(points)} losses."
    best = best_batches(material.runs.frame)
    return single(lambda ax: figures.noise_scale(ax, points, best, material.labels), height=4.4)


def _from_analysis(draw: Callable[[Analysis, Labels], Figure | str]) -> Callable[[Material], Figure | str]:
    """A figure that needs the fits."""

    def drawn(material: Material) -> Figure | str:
        if material.analysis is None:
            return "Not drawn: no law was fitted."
        return draw(material.analysis, material.labels)

    return drawn


def _of(read: Callable[[Analysis], T]) -> Callable[[Material], T]:
    """What is said of a figure that needs the fits, and so of one that was drawn."""

    def found(material: Material) -> T:
        assert material.analysis is not None
        return read(material.analysis)

    return found


def _forecast(analysis: Analysis, labels: Labels) -> Figure | str:
    if analysis.holdout is None:
        return f"No forecast: {analysis.holdout_reason}."
    return panels.forecast(analysis.holdout, analysis.approaches.cells, labels)


def _held(analysis: Analysis) -> Holdout:
    assert analysis.holdout is not None
    return analysis.holdout


CATALOGUE = (
    Entry(
        "isoflop",
        "IsoFLOP parabolas",
        "at each budget the loss has its minimum inside the sizes trained (star), and the minimum moves to larger N as "
        "C grows.",
        _parabolas,
        lambda material: findings.of_parabolas(material.slices),
        lambda material: figure_data.of_parabolas(material.cells, material.slices),
        first=True,
        needs=f"{MIN_SIZES} sizes or more at one C, at one budget at least",
        fitted=False,
    ),
    Entry(
        "frontier",
        "Compute-optimal N and D",
        "the three approaches lie within their bands (of the slope alone for 1 and 2, of the whole fit for 3); thin "
        "lines show the published slopes through the middle, their level is not a claim.",
        _from_analysis(lambda analysis, labels: panels.compute_optimal(analysis.approaches, labels)),
        _of(lambda analysis: findings.of_frontier(analysis.approaches)),
        _of(lambda analysis: figure_data.of_frontier(analysis.approaches)),
        first=True,
    ),
    Entry(
        "loss_curves",
        "Training curves and their envelope",
        "larger models start later and end lower, and each has a stretch of compute where none does better: the "
        "envelope that approach 1 as published reads N from.",
        _loss_curves,
        lambda material: findings.of_curves(
            len(material.curves),
            len(np.unique(material.runs.frame["N"])),
            material.analysis and material.analysis.approaches,
        ),
        lambda material: figure_data.of_curves(material.runs, material.curves),
        needs=f"runs with training curves; for the envelope, {A_LAW}",
    ),
    Entry(
        "contours",
        "Approach 3: the parametric law",
        "the efficient frontier crosses the cloud of runs and does not leave it, and the curves at each budget pass "
        "through the points (means over seeds) without a trend in what they miss.",
        _from_analysis(
            lambda analysis, labels: panels.parametric_law(
                analysis.approaches.parametric, analysis.approaches.cells, labels
            )
        ),
        _of(findings.of_surface),
        _of(lambda analysis: figure_data.of_law(analysis.approaches.parametric, analysis.approaches.cells)),
    ),
    Entry(
        "power_laws",
        "Kaplan's one-variable laws",
        "a straight line is a pure power law; points that bend above it at the right end speak for an irreducible "
        "loss E (dashed), and its exponent is then not comparable with the straight one.",
        _from_analysis(lambda analysis, labels: panels.one_variable_laws(analysis.kaplan, labels)),
        _of(lambda analysis: findings.of_one_variable(list(analysis.kaplan.values()))),
        _of(lambda analysis: figure_data.of_one_variable(analysis.kaplan)),
    ),
    Entry(
        "residuals",
        "Residuals of approach 3",
        "points scatter without trend (colour is N), and 95 % of them lie inside the grey band if the law misses "
        "nothing but seed noise.",
        _from_analysis(
            lambda analysis, labels: panels.residuals(
                analysis.approaches.parametric, analysis.approaches.cells, analysis.approaches.noise, labels
            )
        ),
        _of(findings.of_residuals),
        _of(lambda analysis: figure_data.of_law(analysis.approaches.parametric, analysis.approaches.cells)),
        needs=f"{A_LAW}; for the band, seeds",
    ),
    Entry(
        "forecast",
        "Forecast of runs the fit has not seen",
        "the measured losses lie in the wider band, that of the mixture of forms, and far from the grey line, and the "
        "law's error is well below those of the two simpler forecasts; the narrower band holds if the law does.",
        _from_analysis(_forecast),
        _of(lambda analysis: findings.of_forecast(_held(analysis))),
        _of(lambda analysis: figure_data.of_forecast(_held(analysis).points, analysis.approaches.cells)),
        needs=f"{MIN_BUDGETS_LEFT} budgets or more besides those held out",
    ),
    Entry(
        "offset_profile",
        "Profile of the irreducible loss E of approach 3",
        "E is known where the curve leaves the interval steeply on both sides; a curve flat down to zero means "
        "these runs do not show an irreducible loss.",
        _from_analysis(
            lambda analysis, labels: single(
                lambda ax: figures.offset_profile(ax, analysis.third.profile, labels), height=3.2
            )
        ),
        _of(lambda analysis: findings.of_offset(analysis.third, token_unit(analysis.runs))),
        _of(lambda analysis: figure_data.of_offset(analysis.third.profile)),
    ),
    Entry(
        "noise_scale",
        "Gradient noise scale",
        "B_simple grows as the loss falls, by more than the intervals: beyond it a larger batch saves few steps; "
        "the batch of least loss at one D may lie far below, as fewer tokens a step are more steps; where |G|² is "
        "hardly above its noise, only its larger draws give a value, so that wide intervals read low.",
        _noise_scale,
        lambda material: findings.of_noise_scale(material.noise_points),
        lambda material: figure_data.of_noise_scale(material.noise_points),
        needs="runs that measured the gradient noise scale (evaluation.noise_every)",
        fitted=False,
    ),
)
LONGEST = ("noise_scale", "loss_curves")
"""Those that read every curve, to be drawn first if two processes share the work."""
