"""A wave of runs: what is chosen for a number of FLOPs, and what is expected of it and of plain grids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.design.choose import choose, plain
from analysis.design.precision import Expected, Outlook
from analysis.design.runs_so_far import SoFar
from analysis.design.target import Target


@dataclass(frozen=True)
class GridOutlook:
    """A grid's FLOPs and what is expected of it."""

    train_flops: float
    expected: Expected


@dataclass(frozen=True)
class Wave:
    """The cells with the seeds to add.

    Attributes
    ----------
    target : Target
        What the wave is to find out.
    cells : DataFrame
        From `candidate_cells`.
    added : array
        Seeds to add to each.
    outlook : Outlook
        Of the cells.
    allowed_flops : float
        FLOP that it may spend.
    """

    target: Target
    cells: pd.DataFrame
    added: Array
    outlook: Outlook
    allowed_flops: float

    @classmethod
    def of(cls, known: SoFar, target: Target, cells: pd.DataFrame, train_flops: float) -> "Wave":
        """Choose for so many FLOPs; errors as those of `choose`."""
        outlook = Outlook.of(known, target, cells)
        return cls(target, cells, choose(outlook, cells, train_flops), outlook, train_flops)

    @property
    def train_flops(self) -> float:
        """Of the runs to add."""
        return float(self.added @ self.cells["C"].to_numpy(float))

    @property
    def n_runs(self) -> int:
        """Number of runs to add."""
        return int(self.added.sum())

    @property
    def total(self) -> float:
        """Half-width that is expected after the wave; see `Expected.total`."""
        return self.expectations["this design"].expected.total

    def table(self) -> pd.DataFrame:
        """The cells that get seeds."""
        cells = self.cells.assign(added=self.added.astype(int))
        return cells.loc[cells["added"] > 0].sort_values(by=["budget", "N"])

    @cached_property
    def expectations(self) -> Mapping[str, GridOutlook]:
        """Of the runs so far, if they count; of this design; of plain grids for the same FLOPs."""
        grids = {
            "this design": self.added,
            "plain grid, all budgets": plain(self.cells, self.allowed_flops),
            "plain grid, largest first": plain(self.cells, self.allowed_flops, largest_first=True),
        }
        so_far, flops = self.cells["so_far"].to_numpy(float), self.cells["C"].to_numpy(float)
        if so_far.any():
            grids = {"the runs so far": np.zeros(len(so_far)), **grids}
        return {name: GridOutlook(float(x @ flops), self.outlook.expected(so_far + x)) for name, x in grids.items()}

    def budget_rows(self) -> list[dict[str, Any]]:
        """The cells by budget, in words."""
        return [
            {
                "budget": f"{budget:.3g}",
                "runs": int(cells["added"].to_numpy().sum()),
                "FLOPs": f"{cells['added'].to_numpy() @ cells['C'].to_numpy():.3g}",
                "sizes (layers x width) x seeds (+ those so far)": ", ".join(
                    _words(cell) for _, cell in cells.iterrows()
                ),
            }
            for budget, cells in self.table().groupby("budget")
        ]


def any_size(wanted: Array) -> pd.DataFrame:
    """Sizes as they are, for runs whose models are not known."""
    return pd.DataFrame({"N": wanted})


def sizes_of(shape_near: Callable[[float], tuple[float, int, int]]) -> Callable[[Array], pd.DataFrame]:
    """What finds a model of about one size (N, n_layer, d_model), for many sizes."""
    return lambda wanted: pd.DataFrame([shape_near(float(n)) for n in wanted], columns=["N", "n_layer", "d_model"])


def _words(cell: Any) -> str:
    shaped = cell["d_model"] == cell["d_model"]  # no NaN, as of a table
    size = f"{cell['n_layer']:.0f}x{cell['d_model']:.0f}" if shaped else f"{cell['N']:.3g}"
    return f"{size} x {cell['added']:.0f}" + (f" (+ {cell['so_far']:.0f})" if cell["so_far"] else "")
