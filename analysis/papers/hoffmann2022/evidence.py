"""What the figures of Hoffmann et al. 2022 are made of: sweeps by their places, and the approaches, fitted once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.resample import cell_sd
from analysis.frontier.approach2_isoflop import run_scatter
from analysis.frontier.approaches import AS_PUBLISHED, Approaches, three_approaches
from analysis.frontier.decayed_envelope import decayed_envelope, winning_sizes
from analysis.frontier.frontier_line import Approach, weighted_line
from analysis.papers.figure import LackingRunsError
from analysis.runs.conventions import token_unit
from analysis.runs.curves import Curves, curves_of
from analysis.runs.load import load_runs
from analysis.runs.selection import Runs
from scaling_harness.errors import HarnessError

RESAMPLES = 500
THIRDS = ("first", "middle", "last")


@dataclass(frozen=True)
class Evidence:
    """Runs of a figure's sweeps, by N with head: the count of the paper, which has one matrix of the vocabulary.

    Attributes
    ----------
    paths : tuple of Path
        Of the sweeps, in the order of what the figure needs.
    """

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Evidence":
        """Nothing is read until a figure asks for it."""
        return cls(tuple(paths))

    def path(self, place: int) -> Path:
        """Path of a sweep by its place.

        Raises
        ------
        LackingRunsError
            Fewer were given.
        """
        if place >= len(self.paths):
            raise LackingRunsError(f"{len(self.paths)} sweeps are given, it reads {place + 1}")
        return self.paths[place]

    @cached_property
    def runs(self) -> Runs:
        """Runs of the first sweep."""
        return load_runs(self.path(0))

    @cached_property
    def unit(self) -> str:
        """What a token is, "byte" or "token"."""
        return token_unit(self.runs)

    @cached_property
    def curves(self) -> Curves:
        """Losses along the runs of the first sweep."""
        return curves_of(self.runs)

    @cached_property
    def approaches(self) -> Approaches:
        """The three approaches on the first sweep."""
        return three_approaches(self.runs, curves=self.curves, resamples=RESAMPLES)

    @cached_property
    def of_each_text(self) -> tuple[Approaches, ...]:
        """The approaches, without curves, on every sweep; noise drawn apart, so that differences may be taken."""
        return tuple(
            three_approaches(load_runs(path), curves={}, resamples=RESAMPLES, seed=seed)
            for seed, path in enumerate(self.paths)
        )

    def approach(self, name: str) -> Approach:
        """One of them that gives an exponent; "1" is the published one, on the training curves.

        Raises
        ------
        HarnessError
            It gives none.
        """
        found = self.approaches.approaches[name]
        if name == "1":
            found = self.approaches.variants.get(AS_PUBLISHED, found)
        if not np.isfinite(found.a.value):
            raise HarnessError("; ".join(found.warnings))
        return found

    def exponents_by_third(self) -> list[tuple[str, Array, Array, Estimate]]:
        """Exponent of N_opt on each third of the envelope of final losses, in ln C: name, C, N_opt, a.

        Intervals are of noise as large as the seeds', or as the scatter about the parabolas if that is larger.

        Raises
        ------
        HarnessError
            Too few sizes have several budgets.
        """
        fitted, cells = self.approaches, self.approaches.cells
        if (found := decayed_envelope(cells)) is None:
            raise HarnessError("fewer than four sizes were trained to several budgets")
        envelope, curves = found
        kept = np.flatnonzero(envelope.kept)
        sd = cell_sd(cells, fitted.noise, run_scatter(fitted.equal_compute, list(fitted.slices)))
        draws = np.random.default_rng(0).standard_normal((RESAMPLES, len(cells))) * sd
        log_loss = cells.log_loss.to_numpy() + np.vstack([np.zeros(len(cells)), draws])
        log_c, log_n_KG = np.log(envelope.train_flops[kept]), winning_sizes(curves, log_loss, kept)
        parts = np.array_split(np.arange(len(kept)), len(THIRDS))
        return [
            (name, np.exp(log_c[part]), np.exp(log_n_KG[0, part]), _slope(log_c[part], log_n_KG[:, part]))
            for name, part in zip(THIRDS, parts, strict=True)
        ]


def _slope(x: Array, y_KP: Array) -> Estimate:
    """Slope of the first row, with the interval of the others."""
    slopes = weighted_line(x, y_KP, np.ones(len(x)))[0]
    return Estimate.from_draws(float(slopes[0]), slopes[1:])
