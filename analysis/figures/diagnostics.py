"""What to look at before believing the law: residuals, the forecast of unseen runs, the profile of E."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.arrays import Array
from analysis.figures import style
from analysis.figures.style import ACCENT, GREY, INK, SECOND, Labels, Shades, labels_of
from analysis.fitting.fit import fit
from analysis.fitting.goodness_of_fit import OffsetProfile
from analysis.fitting.result import FitResult
from analysis.laws.law import Law
from analysis.runs.budgets import budget_groups
from analysis.runs.replicates import SeedNoise
from analysis.runs.selection import Runs
from analysis.validation.holdout import Holdout

NORMAL_95 = 1.96
FORECAST_RESAMPLES = 300


def residuals(
    ax: Axes,
    law: FitResult,
    runs: Runs | pd.DataFrame,
    against: Literal["L", "N", "D"] = "L",
    noise: SeedNoise | None = None,
    labels: Labels | None = None,
) -> Axes:
    """Draw the residuals of a law against the predicted loss, N or D, coloured by N.

    Parameters
    ----------
    ax : Axes
        Drawn into.
    law : FitResult
        A law in N and D.
    runs : Runs or DataFrame
        The runs, or their means, of `replicates.design_cells`; a residual is that of a mean.
    against : {"L", "N", "D"}
        What they are drawn against; L is the predicted loss.
    noise : SeedNoise, optional
        From `replicates.seed_noise`: 95 % of it, in the mean of a cell, is drawn as a band.
    labels : Labels, optional
        Which N, nats per what; by default of the fit.

    Returns
    -------
    Axes
    """
    labels, cells = labels or labels_of(law), style.cells_of(runs)
    x = law.predict(N=cells["N"], D=cells["D"]) if against == "L" else cells[against]
    shades = Shades(cells["N"])
    colours = [shades.of(n) for n in cells["N"]]
    _draw_band(ax, cells, noise)
    ax.scatter(x, residual_percent(law, cells), c=colours, s=22, edgecolors="white", linewidths=0.5, zorder=3)
    names = {"L": f"predicted loss, nats/{labels.unit}", "N": labels.n, "D": labels.d}
    ax.set(xlabel=names[against], ylabel="residual of ln loss, %")
    style.log_axis(ax, "x", style.plain if against == "L" else style.short, most=4)
    return ax


def residual_histogram(ax: Axes, law: FitResult, runs: Runs | pd.DataFrame, noise: SeedNoise | None = None) -> Axes:
    """Draw the histogram of the residuals of a law, lying on its side; see `residuals` for the parameters."""
    cells = style.cells_of(runs)
    percent = residual_percent(law, cells)
    _draw_band(ax, cells, noise)
    ax.hist(percent, bins="sturges", orientation="horizontal", color=ACCENT, alpha=0.75, rwidth=0.92)
    ax.set(xlabel="cells", ylabel="residual of ln loss, %", title=f"rms {100 * law.residual_rms:.2f} %")
    return ax


def residual_percent(law: FitResult, cells: pd.DataFrame) -> Array:
    """Residuals of a law in N and D, percent of the loss.

    Parameters
    ----------
    law : FitResult
        What predicts.
    cells : DataFrame
        N, D and L.

    Returns
    -------
    array (cells,)
    """
    return 100 * np.log(cells["L"].to_numpy() / law.predict(N=cells["N"], D=cells["D"]))


def noise_band_percent(cells: pd.DataFrame, noise: SeedNoise | None) -> float | None:
    """Half of the band that holds 95 % of the seed noise of a cell's mean, percent; None without replicates.

    Parameters
    ----------
    cells : DataFrame
        From `replicates.design_cells`.
    noise : SeedNoise or None
        From `replicates.seed_noise`.

    Returns
    -------
    float or None
    """
    if noise is None:
        return None
    variance = noise.at(cells["N"].to_numpy()) ** 2 / cells["n_seeds"].to_numpy()
    return NORMAL_95 * 100 * float(np.sqrt(variance.mean()))


def _draw_band(ax: Axes, cells: pd.DataFrame, noise: SeedNoise | None) -> None:
    ax.axhline(0, color=INK, lw=0.8)
    if half := noise_band_percent(cells, noise):
        ax.axhspan(-half, half, color=GREY, alpha=0.2, lw=0, label="95 % of the seed noise of a cell's mean")


def forecast(ax: Axes, held: Holdout, runs: Runs | pd.DataFrame, labels: Labels | None = None) -> Axes:
    """Draw runs left out of the fit: measured, forecast with its interval, and beside the last budget fitted.

    Parameters
    ----------
    ax : Axes
        Drawn into.
    held : Holdout
        From `holdout.hold_out_budgets`.
    runs : Runs or DataFrame
        All of them, or their means, of `replicates.design_cells`: those not held out are fitted again for the interval
        (parameters only).
    labels : Labels, optional
        Which N, nats per what; by default N of any count, nats per token.

    Returns
    -------
    Axes
    """
    labels = labels or Labels()
    largest = held.points.iloc[budget_groups(held.points["C"].to_numpy())[-1]].sort_values("N")
    _draw_forecast(ax, largest, _kept(style.cells_of(runs), held), held.law)
    ax.set(xlabel=labels.n, ylabel=labels.loss, title=f"{style.power(held.budget)} FLOP, not in the fit")
    style.log_axis(ax, "x")
    style.log_axis(ax, "y", style.plain)
    ax.legend()
    return ax


def forecast_errors(ax: Axes, held: Holdout) -> Axes:
    """Draw the error of a forecast as a bar, beside those of what simpler forecasts say.

    Parameters
    ----------
    ax : Axes
        Drawn into.
    held : Holdout
        From `holdout.hold_out_budgets`.

    Returns
    -------
    Axes
    """
    names = ("this law", "power law in C", "same loss as\nthe last budget")
    errors = [100 * e for e in (held.mean_abs_rel_error, held.error_power_law, held.error_last_budget)]
    bars = ax.barh(names, errors, color=[ACCENT, SECOND, GREY], height=0.55)
    ax.bar_label(bars, [f" {e:.2f} %" for e in errors], fontsize=8.5)
    ax.invert_yaxis()
    ax.set(xlabel="mean absolute error of the loss, %", xlim=(0, 1.2 * max(errors)))
    ax.set_title(f"{held.n_held_out} cells, {held.gap:.2g} times beyond the fit")
    return ax


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
    half = seed_half_width(largest)
    look: dict[str, Any] = {"fmt": "o", "ms": 5, "color": INK, "mec": "white", "elinewidth": 1, "capsize": 2}
    ax.errorbar(largest["N"], largest["L"], half, label="measured, 95 % of seeds", **look)


def seed_half_width(cells: pd.DataFrame) -> Array:
    """Half of the 95 % interval of each mean by the scatter of its seeds, nats; 0 for a single seed.

    Parameters
    ----------
    cells : DataFrame
        L, sd_log and n_seeds, of `replicates.design_cells`.

    Returns
    -------
    array (cells,)
    """
    return NORMAL_95 * np.nan_to_num(cells["sd_log"] / np.sqrt(cells["n_seeds"])) * cells["L"].to_numpy()


def offset_profile(ax: Axes, profile: OffsetProfile, labels: Labels | None = None) -> Axes:
    """Draw how much worse the fit gets as E is held at other values; below the line is the 95 % interval.

    Parameters
    ----------
    ax : Axes
        Drawn into; the legend stands to its right.
    profile : OffsetProfile
        From `goodness_of_fit.profile_offset`.
    labels : Labels, optional
        Nats per what; by default per token.

    Returns
    -------
    Axes
    """
    labels = labels or Labels()
    grid, statistic = np.append(profile.grid, profile.value), np.append(profile.statistic, 0.0)
    order = grid.argsort()
    ax.plot(grid[order], statistic[order], color=ACCENT)
    ax.axhline(profile.threshold, color=INK, lw=0.8, ls="--", label="95 % point")
    ax.axvspan(*profile.ci95, color=ACCENT, alpha=0.12, lw=0, label="95 % interval of E")
    ax.set(
        xlabel=f"E held at, nats/{labels.unit}",
        ylabel="F statistic",
        xlim=(0, min(2 * profile.ci95[1], float(profile.grid[-1]))),
    )
    ax.set_ylim(0, 5 * profile.threshold)
    ax.set_title("these runs bound E away from zero" if profile.identified else "these runs allow E = 0")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return ax
