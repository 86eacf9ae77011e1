"""The table of a figure, and the one way it is drawn: curves, points with intervals, fits and the paper's own lines."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from analysis.figures import style
from analysis.figures.style import ACCENT, GREY, SECOND, Shades

COLUMNS = ("panel", "series", "kind", "x", "y", "low", "high", "n_params", "unit")
COLOURS = (ACCENT, SECOND, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A4FBF", "#8C5A2B", "#B2BD2E", "#444444")
MARKERS, DASHES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*"), ("--", ":", "-.")
MANY = 7  # series, beyond which a legend has two columns
KINDS = ("curve", "points", "early", "fit", "paper")
"""Points of runs on their way (early) are hollow. A curve or a fit is a line, by its size's colour if it has a size; a
paper's line is grey and dashed."""


@dataclass(frozen=True)
class Panel:
    """Labels of one panel; "{unit}" in them is what a token is. An axis is of short numbers, powers or losses."""

    title: str
    x: str
    y: str
    x_as: Callable[[float], str] = style.short
    y_as: Callable[[float], str] = style.plain
    log_x: bool = True
    log_y: bool = True
    shade: str = "N (non-embedding), parameters"
    """What colours the series that have a value of it, the column `n_params`."""
    shade_as: Callable[[float], str] = style.short
    within: str | None = None
    """Kind of the series whose ends are those of the axes; what lies beyond is in the legend and the table alone."""


def rows(panel: str, series: str, kind: str, x: ArrayLike, y: ArrayLike, **columns: ArrayLike | None) -> pd.DataFrame:
    """Rows of one series; ``columns`` are low, high and n_params."""
    given = {name: values for name, values in columns.items() if values is not None}
    return pd.DataFrame({"panel": panel, "series": series, "kind": kind, "x": x, "y": y, **given})


def tidy(parts: Iterable[pd.DataFrame], unit: str) -> pd.DataFrame:
    """Put the series of a figure into one table with the columns of `COLUMNS`."""
    frame = pd.concat([part.reindex(columns=COLUMNS) for part in parts], ignore_index=True)
    return frame.assign(
        unit=unit, **{name: frame[name].astype(float) for name in ("x", "y", "low", "high", "n_params")}
    )


def slope_through(panel: str, words: str, x: ArrayLike, y: ArrayLike, exponent: float) -> pd.DataFrame:
    """A published slope through the middle of our points, in logs: its level is no claim."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    ends = np.array([x.min(), x.max()])
    level = np.log(y).mean() - exponent * np.log(x).mean()
    return rows(panel, words, "paper", ends, np.exp(level + exponent * np.log(ends)))


def drawing(panels: Mapping[str, Panel] | Panel) -> Callable[[Axes, pd.DataFrame], Axes]:
    """The drawing of a figure with these panels: it takes the rows of one of them.

    One Panel is for all there are, such as one a size, and each has its name as its title.
    """

    def draw(ax: Axes, frame: pd.DataFrame) -> Axes:
        name = str(frame["panel"].iloc[0])
        panel = replace(panels, title=name) if isinstance(panels, Panel) else panels[name]
        sized = frame.loc[frame["n_params"].notna(), "n_params"]
        shades = Shades(sized) if len(sized) else None
        for kind, of_kind in frame.groupby("kind", sort=False):
            for at, (words, series) in enumerate(of_kind.groupby("series", sort=False)):
                for i, (_, part) in enumerate(series.groupby("n_params", sort=False, dropna=False)):
                    _draw_series(ax, str(kind), at, part, shades, None if i else str(words))
        if panel.within:
            _limit(ax, frame.loc[frame["kind"] == panel.within])
        _finish(ax, panel, str(frame["unit"].iloc[0]))
        if shades and sized.nunique() > 1:
            shades.bar(ax, panel.shade, panel.shade_as)
        return ax

    return draw


def with_room(
    panels: Mapping[str, Panel], below: float = 0.0, above: float = 0.0
) -> Callable[[Axes, pd.DataFrame], Axes]:
    """The same with even y axes longer by shares of their range, where the legend stands."""
    plain = drawing(panels)

    def draw(ax: Axes, frame: pd.DataFrame) -> Axes:
        ax = plain(ax, frame)
        low, high = ax.get_ylim()
        ax.set_ylim(low - below * (high - low), high + above * (high - low))
        ax.legend(loc="lower left" if below else "upper left")
        return ax

    return draw


def _draw_series(ax: Axes, kind: str, at: int, part: pd.DataFrame, shades: Shades | None, label: str | None) -> None:
    """One line or one set of points; ``at`` is the place of its series among those of the kind."""
    size, x, y = float(part["n_params"].iloc[0]), part["x"].to_numpy(float), part["y"].to_numpy(float)
    colour = shades.of(size) if shades and np.isfinite(size) else COLOURS[at % len(COLOURS)]
    if kind in {"points", "early"}:
        spread = np.abs(part[["low", "high"]].to_numpy(float).T - y)
        inside, edge, edge_width = (colour, "white", 0.5) if kind == "points" else ("white", colour, 1.1)
        face = {"ms": 4.5, "mfc": inside, "mec": edge, "mew": edge_width}
        look = {**face, "color": colour, "elinewidth": 0.9, "zorder": 4}
        errors = spread if np.isfinite(spread).any() else None
        ax.errorbar(x, y, errors, fmt=MARKERS[at % len(MARKERS)], label=label, **look)
        ends = part[["low", "high"]].to_numpy(float).T
        ax.scatter(np.tile(x, 2), ends.ravel(), s=0)  # a legend keeps away from points, not from their intervals
    elif kind == "paper":
        ax.plot(x, y, color=GREY, ls=DASHES[at % len(DASHES)], lw=1.4, label=label, zorder=3)
    elif kind == "fit":
        ax.plot(x, y, color=colour, lw=1.5, label=label, zorder=3)
    else:
        ends = np.flatnonzero(np.diff(x) < 0) + 1  # runs of one size follow each other
        for line in np.split(np.arange(len(x)), ends):
            ax.plot(x[line], y[line], color=colour, lw=0.8, alpha=0.5, label=label, zorder=1)
            label = None


def _limit(ax: Axes, inside: pd.DataFrame) -> None:
    """End both axes, which will be logarithmic, shortly after these rows."""
    x, y = inside["x"].to_numpy(float), inside["y"].to_numpy(float)
    ax.set_xlim(x.min() / 1.5, x.max() * 1.5)
    ax.set_ylim(y.min() / 1.05, y.max() * 1.05)


def _finish(ax: Axes, panel: Panel, unit: str) -> None:
    ax.set(xlabel=panel.x.replace("{unit}", unit), ylabel=panel.y.replace("{unit}", unit))
    ax.set_title(panel.title, fontsize=9)
    if panel.log_x:
        style.log_axis(ax, "x", panel.x_as, most=5)
    if panel.log_y:
        ax.set_yscale("log")
        style.make_room(ax, 0.2)
        style.log_axis(ax, "y", panel.y_as)
    many = len(ax.get_legend_handles_labels()[1]) > MANY
    ax.legend(loc="best", ncols=2 if many else 1, fontsize=7 if many else None)
