"""The measured ladder: exponents of the best size by each count, and those that its own law predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.goodness_of_fit import law_point
from analysis.fitting.optimum import Point
from analysis.fitting.resample import cell_sd, unit_draws
from analysis.frontier.approach2_isoflop import MIN_SIZES, vertex_of
from analysis.frontier.common_compute import line_weights
from analysis.frontier.frontier_line import MIN_BUDGETS, weighted_line
from analysis.laws.chinchilla import chinchilla
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.laws.vocabulary import Vocabulary, fit_vocabulary, mean_exponent
from analysis.papers.figure import LackingRunsError
from analysis.runs.from_records import is_sweep
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells, seed_noise
from analysis.runs.selection import Count, Runs, Selection
from scaling_harness.errors import UserError

COUNTS: tuple[Count, ...] = ("non_embedding", "with_head", "total")
"""Without the vocabulary; with one matrix of it, as Pearce and Song's N_T; with embedding and head."""
RESAMPLES = 500
STEPS_PER_OCTAVE = 2  # budgets at which sizes are compared
SEED = 0


@dataclass(frozen=True)
class Exponent:
    """The exponent of the best size by one count.

    Attributes
    ----------
    count : str
        What N and C = 6 N D count.
    C, N : array (budgets,)
        The best size at each budget.
    N_draws : array (resamples, budgets)
    measured, predicted, difference : Estimate
        Slope of ln N in ln C; the closed form from the ladder's own alpha and beta, between the same sizes; the first
        without the error of parabolas minus the second. The same draws of the noise go into all.
    of_parabolas : float
        What parabolas of this very grid add to the exponent if the law is the truth: an error that is in ``measured``.
    """

    count: str
    C: Array
    N: Array
    N_draws: Array
    measured: Estimate
    predicted: Estimate
    difference: Estimate
    of_parabolas: float


@dataclass(frozen=True)
class Ladder:
    """Runs of one depth and vocabulary at several C, by every count of N."""

    runs: Runs

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Ladder | None":
        """Read the sweep or its archive; None of no paths, which closed forms need.

        Raises
        ------
        UserError
            A table, or several sweeps.
        """
        if not paths:
            return None
        if len(paths) > 1 or not is_sweep(paths[0]):
            raise UserError("pearce2024 reads one ladder: the folder of a sweep, or its archive")
        return cls(load_runs(paths[0], Selection("with_head", keep_recipes=True)))

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Means over seeds, with N by every count."""
        sizes = self.runs.frame.groupby("N")[[f"n_params_{count}" for count in COUNTS]].first()
        cells = design_cells(self.runs.frame)
        return cells.assign(**{count: sizes.loc[cells.N, f"n_params_{count}"].to_numpy(float) for count in COUNTS})

    @cached_property
    def laws(self) -> dict[str, Point]:
        """Chinchilla's law in N with one and with two matrices of the vocabulary, by least squares on ln L."""
        return {count: law_point(chinchilla, self.cells.assign(N=self.cells[count])) for count in COUNTS[1:]}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """N with the vocabulary from N without it; the power is that of the ladder's depths."""
        of_size = self.cells.drop_duplicates("N")
        return fit_vocabulary(of_size["non_embedding"], of_size["N"], None)

    @cached_property
    def drawn(self) -> Array:
        """Ln L of every cell, (resamples, cells), with noise of the seeds, or of the law's misfit if larger."""
        noise = seed_noise(self.cells)
        sd = cell_sd(self.cells, noise, self.laws["with_head"].run_scatter)
        units = unit_draws(len(sd), RESAMPLES, noise.dof if noise else 0, np.random.default_rng(SEED))
        return self.cells.log_loss.to_numpy() + sd * units

    @cached_property
    def laws_drawn(self) -> dict[str, dict[str, Array]]:
        """Parameters of both laws of every draw."""
        refitted = {count: point.refit(log_loss=self.drawn).z_KP for count, point in self.laws.items()}
        return {count: dict(self.laws[count].model.to_natural(z_KP)) for count, z_KP in refitted.items()}

    def predicted(self, count: str, n_low: float, n_high: float) -> Estimate:
        """Closed form of the exponent between two best sizes by a count, from alpha and beta of the law in N_total."""
        return Estimate.from_draws(*self._predicted(count, n_low, n_high))

    def _predicted(self, count: str, n_low: float, n_high: float) -> tuple[float, Array]:
        """Its value and draws."""
        law = _law_of(count)
        fitted, drawn = self.laws[law].params, self.laws_drawn[law]
        if count == law:
            return fitted["beta"] / (fitted["alpha"] + fitted["beta"]), drawn["beta"] / (drawn["alpha"] + drawn["beta"])
        value = mean_exponent(self.vocabulary, fitted, n_low, n_high)
        return float(value), mean_exponent(self.vocabulary, drawn, n_low, n_high)

    def exponent(self, count: str) -> Exponent:
        """Measured and predicted exponent of the best size by a count.

        Raises
        ------
        LackingRunsError
            Too few budgets have their best size between sizes trained.
        """
        budgets = [each for C in self._budgets(count) if (each := self._at(count, C)) is not None]
        if len(budgets) < MIN_BUDGETS:
            raise LackingRunsError(f"by {count} the best size lies between {MIN_SIZES} sizes at {len(budgets)} budgets")
        C = np.array([each[0] for each in budgets])
        log_n, by_law, drawn = (np.stack([each[i] for each in budgets], axis=-1) for i in (1, 2, 3))
        slope, expected, slopes = (weighted_line(np.log(C), y, np.ones(len(C)))[0] for y in (log_n, by_law, drawn))
        ends = float(np.exp(log_n[0, 0])), float(np.exp(log_n[0, -1]))
        predicted, draws = self._predicted(count, *ends)
        of_parabolas = float(expected[0] - self._along_frontier(count, C))
        difference = float(slope[0]) - of_parabolas - predicted
        return Exponent(
            count,
            C,
            np.exp(log_n[0]),
            np.exp(drawn),
            Estimate.from_draws(float(slope[0]), slopes),
            Estimate.from_draws(predicted, draws),
            Estimate.from_draws(difference, slopes - of_parabolas - draws),
            of_parabolas,
        )

    def _budgets(self, count: str) -> Array:
        """C by a count, in even steps, from the first to the last that two sizes share."""
        C = FLOPS_PER_PARAM_TOKEN * self.cells[count] * self.cells.D
        low, high = np.log(C.min()), np.log(C.max())
        return np.exp(np.arange(low, high, np.log(2) / STEPS_PER_OCTAVE))

    def _at(self, count: str, C: float) -> tuple[float, Array, Array, Array] | None:
        """C, and ln of the best size there: measured (1,), of the law's own losses (1,), of every draw (resamples,).

        Each size's distance to the law is interpolated along ln D between its own cells, so that no size is
        extrapolated and a curved L(D) adds no error. None if the best size is not between sizes.
        """
        sizes, weights, D = [], [], []
        for size in np.unique(self.cells[count].to_numpy(float)):
            rows = np.flatnonzero(self.cells[count] == size)
            log_d, target = np.log(self.cells.D.to_numpy(float)[rows]), np.log(C / (FLOPS_PER_PARAM_TOKEN * size))
            if len(rows) > 1 and log_d.min() - 0.01 <= target <= log_d.max() + 0.01:
                sizes.append(size)
                weights.append(np.zeros(len(self.cells)))
                weights[-1][rows] = line_weights(log_d, np.array([target]))[:, 0]
                D.append(np.exp(target))
        if len(sizes) < MIN_SIZES:
            return None
        log_n, weights_Sn = np.log(sizes), np.array(weights)
        point = self.laws[_law_of(count)]
        N = weights_Sn @ self.cells[_law_of(count)].to_numpy()
        law = np.log(point.law.predict(point.params, N=N, D=np.array(D)))
        away = np.vstack([self.cells.log_loss, self.drawn]) - (point.log_loss - point.residuals)
        log_loss = law + away @ weights_Sn.T
        best, _ = vertex_of(log_n, np.exp(log_loss))
        if not log_n[0] < best[0] < log_n[-1]:
            return None
        return C, best[:1], vertex_of(log_n, np.exp(law)[None])[0], best[1:]

    def _along_frontier(self, count: str, C: Array) -> float:
        """Slope of ln N_opt by the law itself over these budgets."""
        point = self.laws[_law_of(count)]
        N = np.geomspace(self.cells[count].min() / 4, self.cells[count].max() * 4, 4000)[:, None]
        total = N if count in self.laws else self.vocabulary.total(N)
        loss = point.law.predict(point.params, N=total, D=C / (FLOPS_PER_PARAM_TOKEN * N))
        return float(np.polyfit(np.log(C), np.log(N[loss.argmin(axis=0), 0]), 1)[0])


def _law_of(count: str) -> str:
    """The count of the N that the law is of, where compute is by ``count``."""
    return "with_head" if count == "non_embedding" else count


def measured_exponents(ladder: Ladder) -> dict[str, Exponent]:
    """Measured exponent of the best size by each of `COUNTS`, beside the closed form from the ladder's own law.

    A step of a reconciliation: the difference between "non_embedding" and "with_head" is what counting the vocabulary
    does, from the same runs.

    Raises
    ------
    LackingRunsError
        The ladder has too few budgets whose best size lies between sizes.
    """
    return {count: ladder.exponent(count) for count in COUNTS}
