"""What to look at before believing the law: residuals, the forecast of unseen runs, the profile of E."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.arrays import Array
from analysis.figures import style
from analysis.figures.style import ACCENT, GREY, INK, SECOND, Labels, Shades
from analysis.fitting.fit import fit
from analysis.fitting.goodness_of_fit import OffsetProfile
from analysis.fitting.result import FitResult
from analysis.laws.law import Law
from analysis.runs.budgets import budget_groups
from analysis.runs.replicates import SeedNoise
from analysis.validation.holdout import Holdout

NORMAL_95 = 1.96
FORECAST_RESAMPLES = 300


def residuals(parametric: FitResult, cells: pd.DataFrame, noise: SeedNoise | None, labels: Labels) -> Figure:
    """Residuals of the parametric fit against loss, N and D, and their histogram, with the band of seed noise.

    Parameters
    ----------
    parametric : FitResult
        A law in N and D.
    cells : DataFrame
        From `replicates.design_cells`; a residual is that of a cell's mean.
    noise : SeedNoise or None
        None draws no band.
    labels : Labels
        Which N, nats per what.
    """
    predicted = parametric.predict(N=cells["N"], D=cells["D"])
    percent = 100 * np.log(cells["L"].to_numpy() / predicted)
    figure, axes = style.new_figure(4, width=11.0, height=3.4, sharey=True, width_ratios=(1, 1, 1, 0.6))
    with style.styled():
        shades = Shades(cells["N"])
        colours = [shades.of(n) for n in cells["N"]]
        columns = ((predicted, f"predicted loss, nats/{labels.unit}"), (cells["N"], labels.n), (cells["D"], labels.d))
        for ax, (x, name) in zip(axes, columns, strict=False):
            _draw_band(ax, cells, noise)
            ax.scatter(x, percent, c=colours, s=22, edgecolors="white", linewidths=0.5, zorder=3)
            ax.set_xlabel(name)
            style.log_axis(ax, "x", style.plain if x is predicted else style.short, most=4)
        axes[0].set_ylabel("residual of ln loss, %")
        band = "no seed was repeated: no band" if noise is None else "grey: 95 % of the seed noise of a cell's mean"
        axes[0].set_title(band, fontsize=8.5, loc="left")
        _draw_histogram(axes[3], percent, cells, noise)
    return figure


def _draw_band(ax: Axes, cells: pd.DataFrame, noise: SeedNoise | None) -> None:
    ax.axhline(0, color=INK, lw=0.8)
    if noise is not None:
        half = NORMAL_95 * 100 * _cell_noise(cells, noise)
        ax.axhspan(-half, half, color=GREY, alpha=0.2, lw=0)


def _cell_noise(cells: pd.DataFrame, noise: SeedNoise) -> float:
    """Root mean square of the seed noise of cell means, relative."""
    variance = noise.at(cells["N"].to_numpy()) ** 2 / cells["n_seeds"].to_numpy()
    return float(np.sqrt(variance.mean()))


def _draw_histogram(ax: Axes, percent: Array, cells: pd.DataFrame, noise: SeedNoise | None) -> None:
    _draw_band(ax, cells, noise)
    ax.hist(percent, bins="sturges", orientation="horizontal", color=ACCENT, alpha=0.75, rwidth=0.92)
    ax.set(xlabel="cells", title=f"rms {np.sqrt((percent**2).mean()):.2g} %")


def forecast(held: Holdout, cells: pd.DataFrame, labels: Labels) -> Figure:
    """The runs left out of the fit: measured, forecast with its interval, and what simpler forecasts say.

    Parameters
    ----------
    held : Holdout
        From `holdout.hold_out_budgets`.
    cells : DataFrame
        All of them: those not held out are fitted again for the interval (parameters only).
    labels : Labels
        Which N, nats per what.
    """
    figure, (left, right) = style.new_figure(2, width=9.5, height=4.5, width_ratios=(1.6, 1))
    largest = held.points.iloc[budget_groups(held.points["C"].to_numpy())[-1]].sort_values("N")
    with style.styled():
        _draw_forecast(left, largest, _kept(cells, held), held.law)
        left.set(xlabel=labels.n, ylabel=labels.loss, title=f"{style.power(held.budget)} FLOP, not in the fit")
        style.log_axis(left, "x")
        style.log_axis(left, "y", style.plain)
        _draw_errors(right, held)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _kept(cells: pd.DataFrame, held: Holdout) -> pd.DataFrame:
    return cells.loc[cells["C"] < held.points["C"].min()]


def _draw_forecast(ax: Axes, largest: pd.DataFrame, kept: pd.DataFrame, law: Law) -> None:
    """Measured means with seeds' intervals, the law, the mixture of forms, and the last budget kept."""
    again = fit(law, kept, weights="n_seeds", resample="residuals", resamples=FORECAST_RESAMPLES)
    C = float(np.exp(np.log(largest["C"]).mean()))
    N = style.span(largest["N"], beyond=0.03, n=60)
    draws = {name: values[:, None] for name, values in again.draws.items()}
    ax.fill_between(
        N,
        *np.percentile(law.predict(draws, N=N, D=again.cost.tokens(C, N)), [2.5, 97.5], axis=0),
        color=ACCENT,
        alpha=0.18,
        lw=0,
        label="its 95 % interval (parameters)",
    )
    ax.plot(N, again.predict(N=N, D=again.cost.tokens(C, N)), color=ACCENT, label="forecast of the law")
    last = kept.iloc[budget_groups(kept["C"].to_numpy())[-1]].sort_values("N")
    label = f"last budget fitted, {style.power(float(last['C'].mean()))} FLOP"
    ax.plot(last["N"], last["L"], "o-", ms=3.5, lw=0.9, color=GREY, label=label)
    if "mixture" in largest:
        ends = largest["mixture_low"], largest["mixture_high"]
        ax.fill_between(largest["N"], *ends, color=SECOND, alpha=0.12, lw=0, label="95 % interval of the mixture")
        ax.plot(largest["N"], largest["mixture"], color=SECOND, lw=1.0, ls="--", label="forecast of the mixture")
    half = NORMAL_95 * (largest["sd_log"] / np.sqrt(largest["n_seeds"])).fillna(0) * largest["L"]
    look: dict[str, Any] = {"fmt": "o", "ms": 5, "color": INK, "mec": "white", "elinewidth": 1, "capsize": 2}
    ax.errorbar(largest["N"], largest["L"], half, label="measured, 95 % of seeds", **look)


def _draw_errors(ax: Axes, held: Holdout) -> None:
    names = ("this law", "power law in C", "same loss as\nthe last budget")
    errors = [100 * e for e in (held.mean_abs_rel_error, held.error_power_law, held.error_last_budget)]
    bars = ax.barh(names, errors, color=[ACCENT, SECOND, GREY], height=0.55)
    ax.bar_label(bars, [f" {e:.2f} %" for e in errors], fontsize=8.5)
    ax.invert_yaxis()
    ax.set(xlabel="mean absolute error of the loss, %", xlim=(0, 1.2 * max(errors)))
    ax.set_title(f"{held.n_held_out} cells, {held.gap:.2g} times beyond the fit")


def offset_profile(profile: OffsetProfile, labels: Labels) -> Figure:
    """How much worse the fit gets as E is held at other values; below the line is the 95 % interval."""
    figure, ax = style.new_figure(height=3.2)
    with style.styled():
        grid, statistic = np.append(profile.grid, profile.value), np.append(profile.statistic, 0.0)
        order = grid.argsort()
        ax.plot(grid[order], statistic[order], color=ACCENT)
        ax.axhline(profile.threshold, color=INK, lw=0.8, ls="--", label="95 % point")
        ax.axvspan(*profile.ci95, color=ACCENT, alpha=0.12, lw=0, label="95 % interval of E")
        if profile.identified:
            ax.axvline(profile.value, color=SECOND, lw=1.2, label=f"E = {profile.value:.3f}")
        ax.set(
            xlabel=f"E held at, nats/{labels.unit}",
            ylabel="F statistic",
            xlim=(0, min(2 * profile.ci95[1], float(profile.grid[-1]))),
        )
        ax.set_ylim(0, 5 * profile.threshold)
        verdict = "these runs bound E away from zero" if profile.identified else "these runs allow E = 0"
        ax.set_title(verdict)
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure
