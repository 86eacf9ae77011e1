"""Shares of simulated sweeps whose intervals hold the truth, as rows and as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Rows

AIM = (0.92, 0.98)
FORECAST_AIM = (0.90, 0.98)


@dataclass(frozen=True)
class Coverage:
    """One quantity by one method in one scenario.

    Attributes
    ----------
    scenario, method, quantity : str
    sweeps : int
        Intervals counted: those that exist.
    covered : float
        Share that holds the truth.
    stderr : float
        Binomial standard error of ``covered``.
    width : float
        Median width.
    width_over_spread : float
        Median width divided by 3.92 standard deviations of the estimate (or of the error of a forecast) between
        sweeps: 1 is as wide as needed.
    score : float or None
        Mean interval score of a forecast, smaller is better; None for a parameter.
    """

    scenario: str
    method: str
    quantity: str
    sweeps: int
    covered: float
    stderr: float
    width: float
    width_over_spread: float
    score: float | None = None

    @property
    def aim(self) -> tuple[float, float]:
        """Least and largest share wanted."""
        return AIM if self.score is None else FORECAST_AIM

    @property
    def misses(self) -> bool:
        """Whether the coverage lies outside its aim by more than two binomial standard errors."""
        return self.covered < self.aim[0] - 2 * self.stderr or self.covered > self.aim[1] + 2 * self.stderr


def share_held(holds: Rows) -> tuple[float, float]:
    """The share that holds, and its binomial standard error.

    Parameters
    ----------
    holds : array of bool
        Whether each interval does.

    Returns
    -------
    float, float
    """
    share = float(np.mean(holds))
    return share, float(np.sqrt(max(share * (1 - share), 1 / len(holds)) / len(holds)))


def coverage_table(rows: Sequence[Coverage]) -> str:
    """Coverage in per cent with the width in brackets, a line each scenario and method; * misses the aim."""
    quantities = list(dict.fromkeys(row.quantity for row in rows))
    lines = [f"{'':12}{'':21}" + "".join(f"{name:>15}" for name in quantities)]
    for scenario, method in dict.fromkeys((row.scenario, row.method) for row in rows):
        mine = {row.quantity: row for row in rows if (row.scenario, row.method) == (scenario, method)}
        cells = "".join(f"{_cell(mine.get(name)):>15}" for name in quantities)
        lines.append(f"{scenario:12}{method:21}{cells}")
    return "\n".join([*lines, *_verdict(rows)])


def _cell(row: Coverage | None) -> str:
    return "-" if row is None else f"{100 * row.covered:.1f}{'*' if row.misses else ''} ({row.width:.3g})"


def _verdict(rows: Sequence[Coverage]) -> list[str]:
    """What misses 92 to 98 %, by name."""
    missing = [
        f"{row.method} {row.quantity} in {row.scenario}: {100 * row.covered:.1f} %" for row in rows if row.misses
    ]
    sweeps = max((row.sweeps for row in rows), default=0)
    low, high = rows[0].aim if rows else AIM
    head = f"{sweeps} sweeps a scenario; aim {100 * low:.0f} to {100 * high:.0f} %, *: outside beyond chance"
    return [head, *(f"misses: {sentence}" for sentence in missing)]
