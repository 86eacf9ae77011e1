"""Several fits side by side: an exponent of each, and the lowest loss that each forecasts for a budget."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from analysis.figures import style
from analysis.figures.style import Labels
from analysis.forecasting.source import Source

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


def exponents(ax: Axes, sources: Sequence[Source], name: str = "a") -> Axes:
    """Draw one exponent of each source with its 95 % interval.

    Parameters
    ----------
    ax : Axes
        Drawn into.
    sources : sequence of Source
        Those without this exponent have an empty row.
    name : str
        Of ``Source.exponents``.

    Returns
    -------
    Axes
    """
    for row, source in enumerate(sources):
        if (estimate := source.exponents.get(name)) is None:
            continue
        low, high = estimate.ci95 or (estimate.value, estimate.value)
        colour = COLOURS[row % len(COLOURS)]
        ax.plot([low, high], [row, row], color=colour, lw=2.5, solid_capstyle="butt")
        ax.plot(estimate.value, row, "o", ms=7, color=colour, mec="white")
    ax.set_yticks(range(len(sources)), [source.name for source in sources])
    ax.set_ylim(len(sources) - 0.5, -0.5)
    ax.set(xlabel=f"{name}, 95 % interval", title=f"N_opt ~ C^{name}" if name == "a" else name)
    return ax


def lowest_losses(ax: Axes, sources: Sequence[Source], labels: Labels | None = None) -> Axes:
    """Draw the loss at the best N and D against C, over the compute of each source's own runs.

    Parameters
    ----------
    ax : Axes
        Drawn into.
    sources : sequence of Source
        Those without an optimum, or of unknown range, are left out.
    labels : Labels, optional
        Which N, nats per what; by default N of any count, nats per token.

    Returns
    -------
    Axes
    """
    labels = labels or Labels()
    for row, source in enumerate(sources):
        if not is_drawn(source):
            continue
        C = np.geomspace(*source.input_ranges["C"], 80)
        losses = source.optimal({name: np.array([value]) for name, value in source.values.items()}, C).loss_nats
        colour = COLOURS[row % len(COLOURS)]
        ax.plot(C, losses, color=colour, label=source.name)
        if source.draws:
            columns = {name: values[:, None] for name, values in source.draws.items()}
            ends = np.nanpercentile(source.optimal(columns, C).loss_nats, [2.5, 97.5], axis=0)
            ax.fill_between(C, *ends, color=colour, alpha=0.18, lw=0)
    ax.set(xlabel="C, FLOP", ylabel=f"lowest loss, nats/{labels.unit}", title="the best of each budget")
    style.log_axis(ax, "x", style.power, most=4)
    style.log_axis(ax, "y", style.plain)
    ax.legend(loc="upper right")
    return ax


def is_drawn(source: Source) -> bool:
    """Whether a source has a lowest loss over a range of compute that is known."""
    return source.has_optimum and source.batch is None and "C" in source.input_ranges
