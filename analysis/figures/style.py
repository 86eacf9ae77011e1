"""One look for every figure: fonts, colours, axis labels with units, readable ticks, saving."""

import contextlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import colormaps, ticker
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm
from matplotlib.figure import Figure

from analysis.arrays import Array
from analysis.fitting.result import FitResult
from analysis.runs.conventions import token_unit, unit_of
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs
from scaling_harness.record.atomic_files import write_atomically

# Okabe and Ito's palette stays apart for every common kind of colour blindness.
APPROACH_COLOURS = {"1": "#0072B2", "2": "#D55E00", "3": "#009E73"}
ACCENT, SECOND, GREY, INK = "#0072B2", "#D55E00", "#9a9a9a", "#222222"
SIZE_MAP: Colormap = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.8, 256)), "sizes")
LOSS_MAP: Colormap = ListedColormap(colormaps["YlGnBu_r"](np.linspace(0.3, 1.0, 256)), "losses")
LEAST, MOST = 62, 115  # pixels an inch of a figure on a page, between which its text is neither small nor large
NARROW = 8.0  # a log axis over less than this factor is ticked in even steps
RC: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#555555",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 1.4,
    "figure.dpi": 110,
    "savefig.dpi": 160,
    "svg.hashsalt": "scaling-harness",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Labels:
    """Axis labels of one set of runs: which N, and nats per what."""

    count: str | None = None
    unit: str = "token"

    @property
    def n(self) -> str:
        """N, and which parameters it counts."""
        return f"N ({self._count}), parameters" if self.count else "N, parameters"

    @property
    def d(self) -> str:
        """D and its unit."""
        return f"D, {self.unit}s"

    @property
    def c(self) -> str:
        """C = 6 N D, and with which N."""
        return f"C = 6ND (N {self._count}), FLOP" if self.count else "C, FLOP"

    @property
    def loss(self) -> str:
        """Loss and its unit."""
        return f"held-out loss, nats/{self.unit}"

    @property
    def _count(self) -> str:
        return str(self.count).replace("_", " ").replace("non embedding", "non-embedding")


def labels_of(of: Runs | FitResult) -> Labels:
    """Read the count from the runs, or from what a fit says of them, and the unit from their vocabulary."""
    if isinstance(of, Runs):
        return Labels(of.count, token_unit(of))
    conventions = of.settings.get("conventions") or {}
    return Labels(of.settings.get("count"), unit_of(conventions.get("vocab_size")))


def cells_of(runs: Runs | pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of runs; a frame is taken to be such means, of `replicates.design_cells`."""
    return design_cells(runs.frame) if isinstance(runs, Runs) else runs


def new_figure(n_panels: int = 1, *, width: float = 9.0, height: float = 4.2, **options: Any) -> tuple[Figure, Any]:
    """A figure with panels side by side and room for legends; the axes come as from `subplots`."""
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, n_panels, **options)
    return figure, axes


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """The style for whatever is drawn inside."""
    with mpl.rc_context(RC):
        yield


def current_settings() -> dict[Any, Any]:
    """Settings of matplotlib as the user has them, for figures that another process draws."""
    settings = dict(mpl.rcParams.copy())
    del settings["backend"]
    return settings


def short(value: float) -> str:
    """Write 28000 as 28k, 2.5e6 as 2.5M; from 1e12 on as a power of ten."""
    if value >= 1e12 or value < 1:
        return power(value)
    value = float(f"{value:.3g}")  # 999,936 is 1M, not 1e+03k
    for scale, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g}{letter}"
    return f"{value:.3g}"


def power(value: float) -> str:
    """Write 3.15e11 as 3.15 x 10^11, in mathtext: three digits, as in the tables of a report."""
    factor, exponent = f"{value:.2e}".split("e")
    lead = "" if factor == "1.00" else rf"{factor.rstrip('0').rstrip('.')}\times "
    return rf"${lead}10^{{{int(exponent)}}}$"


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values inside a positive range for a log axis: 1-2-5, 1-3 or decades; even steps if it is narrow."""
    if high / low < NARROW:
        return [
            t for t in ticker.MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= t <= high
        ]
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [s * 10.0**k for k in decades for s in steps if low <= s * 10.0**k <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: -(-len(ticks) // most)]


def log_axis(ax: Axes, which: str, write: Callable[[float], str] = short, most: int = 6) -> None:
    """Make an axis logarithmic with few, written-out ticks; call it last, it reads the limits."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    low, high = sorted(ax.get_xlim() if which == "x" else ax.get_ylim())
    ticks = nice_ticks(low, high, most)
    axis.set_major_locator(ticker.FixedLocator(ticks))
    axis.set_major_formatter(ticker.FixedFormatter([write(t) for t in ticks]))
    axis.set_minor_locator(ticker.NullLocator())


def plain(value: float) -> str:
    """A loss as a tick."""
    return f"{value:.4g}"


class Shades:
    """Colours of positive values (N, or C) on a log scale."""

    def __init__(self, values: Iterable[float]) -> None:
        values = np.asarray(list(values), float)
        low, high = float(values.min()), float(values.max())
        if low == high:
            low, high = low / 1.5, high * 1.5
        self.norm = LogNorm(low, high)

    def of(self, value: float) -> tuple[float, float, float, float]:
        """Colour of a value."""
        return SIZE_MAP(self.norm(value))

    def bar(self, ax: Axes, label: str, write: Callable[[float], str] = short) -> None:
        """Colour bar beside an Axes, with written-out ticks."""
        bar = ax.figure.colorbar(ScalarMappable(self.norm, SIZE_MAP), ax=ax, pad=0.02, aspect=30)
        ticks = nice_ticks(float(self.norm.vmin or 1), float(self.norm.vmax or 1), 8)
        bar.ax.yaxis.set_major_locator(ticker.FixedLocator(ticks))
        bar.ax.yaxis.set_major_formatter(ticker.FixedFormatter([write(t) for t in ticks]))
        bar.ax.yaxis.set_minor_locator(ticker.NullLocator())
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        bar.set_label(label)


def make_room(ax: Axes, share: float = 0.25) -> None:
    """Lift the upper limit of a log y axis by a share of its range: the legend stands there."""
    low, high = np.log(ax.get_ylim())
    ax.set_ylim(np.exp(low), np.exp(high + share * (high - low)))


def span(values: Any, beyond: float = 0.0, n: int = 200) -> Array:
    """Log-spaced values over the range of the data and a share of it (in logs) beyond; a factor 2 about one value."""
    low, high = np.log(np.min(values)), np.log(np.max(values))
    reach = beyond * (high - low) if high > low else np.log(2)
    return np.exp(np.linspace(low - reach, high + reach, n))


def save_figure(
    figure: Figure, directory: Path, name: str, formats: Iterable[str] = ("png", "pdf")
) -> tuple[Path, ...]:
    """Write a figure in each format, atomically; give the paths."""
    paths = tuple(directory / f"{name}.{suffix}" for suffix in formats)
    for path in paths:
        write_atomically(path, lambda file, kind=path.suffix[1:]: file.write(rendered(figure, kind)))
    return paths


def rendered(figure: Figure, kind: str) -> bytes:
    """A figure as bytes without dates: drawn twice it is the same file."""
    buffer = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with styled():
        if figure.get_layout_engine() is not None:  # laid out once, for all kinds of file
            figure.draw_without_rendering()
            figure.set_layout_engine(None)  # "none" would leave a placeholder, for which savefig draws twice
        figure.savefig(buffer, format=kind, metadata=dates.get(kind), transparent=kind == "svg")  # as dark as a page
    return buffer.getvalue()


def inline_svg(figure: Figure, name: str) -> str:
    """A figure as an element of a page: text stays text and readable, and its ids are its own by the name."""
    svg = rendered(figure, "svg").decode()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    width = figure.get_figwidth()
    head = (
        f'<svg role="img" aria-label="{name}" style="min-width: {LEAST * width:.0f}px; max-width: {MOST * width:.0f}px"'
    )
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf"{head} \1>", svg, count=1)
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg).replace("xlink:href", "href")
