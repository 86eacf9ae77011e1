"""What the figures of Kaplan et al. 2020 are made of: runs, their curves, and the laws fitted to them once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import fit
from analysis.fitting.resample import case_weights
from analysis.fitting.result import FitResult
from analysis.frontier.approach1_envelope import bracketed
from analysis.frontier.frontier_line import weighted_line
from analysis.frontier.one_variable_laws import OneVariableLaw, one_variable_laws
from analysis.hyperparameters.branched import LocalBatch, branches_of, is_branched, local_batches
from analysis.hyperparameters.critical_batch import CriticalBatches, critical_batches
from analysis.hyperparameters.gradient_noise import NoisePoint, noise_points
from analysis.hyperparameters.steps_to_loss import steps_to_loss
from analysis.laws.critical_batch import min_flops, min_steps
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.papers.figure import LackingRunsError
from analysis.runs.conventions import token_unit
from analysis.runs.curves import Curves, curves_of
from analysis.runs.from_records import is_sweep
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs, Selection, clean
from scaling_harness.errors import UserError

MIN_SIZES = 4
N_BUDGETS = 40  # of an envelope
MIN_BUDGETS = 5
WARM_UP = 0.2  # share of a run that is left out of L(N, S), as Kaplan leaves out his warm-up
RESAMPLES = 500


@dataclass(frozen=True)
class Evidence:
    """Runs by non-embedding N, and everything that is fitted to them, when it is asked for.

    Sweeps may differ in recipe: what is fitted together is of one of them (column ``source``).

    Attributes
    ----------
    given : Runs
        All but those of a subset.
    curves : Curves
        From `curves_of`, of those of a subset too.
    of_subsets : DataFrame
        Runs on a subset of the tokens (`data.train_tokens`): many epochs, to be stopped early.
    branches : DataFrame
        Runs of several batches that leave one run's state (schedule branched).
    """

    given: Runs
    curves: Curves
    of_subsets: pd.DataFrame = field(default_factory=pd.DataFrame)
    branches: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def runs(self) -> Runs:
        """Runs that saw each token once, or at most the text's own number of times."""
        if self.given.frame.empty:
            raise LackingRunsError("all runs are of a subset of the tokens (data.train_tokens), or branched")
        return self.given

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Evidence":
        """Read sweeps or archives; a table has no batches, rates and curves.

        Raises
        ------
        UserError
            A table.
        """
        if tables := [str(path) for path in paths if not is_sweep(path)]:
            raise UserError(f"{tables[0]} is a table: figures of a paper need the records of a sweep, or its archive")
        parts = [load_runs(path, Selection("non_embedding", keep_recipes=True, keep_repeats=True)) for path in paths]
        frame = pd.concat([part.frame.assign(source=i) for i, part in enumerate(parts)], ignore_index=True)
        frame = frame.assign(epochs=frame["n_tokens"] / frame["n_unique_tokens"])
        dropped = tuple(row for part in parts for row in part.dropped)
        runs = Runs(frame, dropped, parts[0].count)
        of_subset, branched = np.asarray(frame["train_tokens"].notna()), is_branched(frame)
        kept = clean(runs.where(~of_subset & ~branched))
        return cls(kept, curves_of(runs), runs.where(of_subset).frame, frame.loc[branched])

    @cached_property
    def unit(self) -> str:
        """What a token is, "byte" or "token"."""
        frame = next((each for each in (self.of_subsets, self.branches) if not each.empty), self.given.frame)
        return token_unit(replace(self.given, frame=frame))

    @cached_property
    def of_one_batch(self) -> pd.DataFrame:
        """Runs of the sweep and batch that have most sizes; at each N and D those of the best rate, mean over seeds."""
        frame = self.runs.frame.assign(
            **{name: 0 for name in ("source", "batch_tokens", "lr") if name not in self.runs.frame}
        )
        candidates = [rows for _, rows in frame.groupby(["source", "batch_tokens"])]
        largest = max(candidates, key=lambda rows: (rows["N"].nunique(), len(rows)))
        return pd.concat([at_best_rate(cell) for _, cell in largest.groupby(["N", "D"])])

    @cached_property
    def of_several_batches(self) -> Runs:
        """Runs of the sweep that has most batches, of the sizes that have most."""
        frame = self.runs.frame
        most = max((rows for _, rows in frame.groupby("source")), key=lambda rows: rows["batch_tokens"].nunique())
        return replace(self.runs, frame=most.loc[np.asarray(_n_batches(most)) == max(_n_batches(most))])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Means over seeds of the runs of one batch."""
        return design_cells(self.of_one_batch)

    @cached_property
    def one_variable(self) -> dict[str, OneVariableLaw]:
        """L(N) and L(D), each with what was held fixed."""
        return one_variable_laws(self.cells, pd.DataFrame({"C": [], "loss": []}), RESAMPLES, self.unit)

    def law_of(self, name: Literal["alpha_N", "alpha_D"]) -> tuple[pd.DataFrame, FitResult]:
        """Points and fit of one of them, which these runs allow."""
        law = self.one_variable[name]
        if law.plain is None:
            raise LackingRunsError(f"L({law.variable}) has {law.held_fixed}")
        return law.points, law.plain

    @cached_property
    def critical(self) -> CriticalBatches:
        """Hyperbolas of steps against batch, and B_crit(L)."""
        return critical_batches(steps_to_loss(self.of_several_batches, self.curves), resamples=RESAMPLES)

    @cached_property
    def noise(self) -> tuple[NoisePoint, ...]:
        """Gradient noise scale of the runs."""
        return tuple(point for point in noise_points(self.runs, self.curves) if point.tokens is not None)

    @property
    def branched(self) -> tuple[LocalBatch, ...]:
        """Local critical batches by branched training; none without such runs."""
        return () if self.branches.empty else local_batches(branches_of(self.branches))

    @property
    def b_crit(self) -> FitResult:
        """B_crit(L), which these runs allow."""
        if self.critical.law is None:
            raise LackingRunsError(self.critical.problem or "")
        return self.critical.law

    @cached_property
    def trajectories(self) -> pd.DataFrame:
        """Points of the curves of one batch: run, N, B, D, S, C = 6 N D and L."""
        parts = []
        for index, run in self.of_one_batch.iterrows():
            if index not in self.curves:
                continue
            tokens, loss = self.curves[index]
            parts.append(
                pd.DataFrame({"run": str(index), "N": run["N"], "B": run["batch_tokens"], "D": tokens, "L": loss})
            )
        if not parts:
            raise LackingRunsError("no run has a training curve")
        frame = pd.concat(parts, ignore_index=True)
        return frame.assign(S=frame["D"] / frame["B"], C=FLOPS_PER_PARAM_TOKEN * frame["N"] * frame["D"])

    @cached_property
    def at_least(self) -> pd.DataFrame:
        """The same with S_min and C_min by B_crit(L)."""
        return with_least(self.trajectories, self.b_crit.predict(L=self.trajectories["L"]))

    @property
    def of_several_lengths(self) -> pd.DataFrame:
        """The means of sizes that were trained to several D."""
        return self.cells.loc[np.asarray(self.cells.groupby("N")["D"].transform("nunique")) > 1]

    @cached_property
    def of_limited_data(self) -> pd.DataFrame:
        """Best checkpoints of the runs on subsets: N, D (distinct tokens), L (there), S (steps to there), B."""
        frame = self.of_subsets
        if frame.empty or "best_step" not in frame:
            raise LackingRunsError(
                "no run is of a subset of the tokens with its best checkpoint (data.train_tokens, "
                "evaluation.best_checkpoint)"
            )
        loss = frame["best_loss_test"] if "best_loss_test" in frame else frame["best_loss_valid"]
        distinct = frame["n_unique_tokens"].astype(float)
        found = frame.assign(D=distinct, L=loss, S=frame["best_step"].astype(float), B=frame["batch_tokens"])
        return found.assign(C=FLOPS_PER_PARAM_TOKEN * frame["N"] * frame["best_n_tokens"])

    @property
    def cells_for_data_law(self) -> pd.DataFrame:
        """Cells of several D at each N: of limited data as in the paper, or else of one epoch, where D is also BS."""
        return self.of_several_lengths if self.of_subsets.empty else design_cells(self.of_limited_data)

    @cached_property
    def data_law(self) -> FitResult:
        """L(N, D) of eq. 1.5 on those cells."""
        kept = self.cells_for_data_law
        if (n_sizes := len(np.unique(kept["N"]))) < MIN_SIZES:
            raise LackingRunsError(f"L(N, D) needs {MIN_SIZES} sizes at several D: there are {n_sizes}")
        return fit("kaplan_ln_d", kept, loss="log_squares", resamples=RESAMPLES)

    @property
    def after_warm_up(self) -> pd.DataFrame:
        """Trajectories of the longest runs of each size, without their warm-up."""
        return after_warm_up(self.trajectories)

    @cached_property
    def steps_law(self) -> FitResult:
        """L(N, S) at the batch of the runs; runs are drawn whole."""
        return _fit_steps(self.after_warm_up)

    @cached_property
    def steps_law_at_least(self) -> FitResult:
        """L(N, S_min)."""
        return _fit_steps(after_warm_up(self.at_least).assign(S=lambda frame: frame["S_min"]))

    @cached_property
    def envelope(self) -> pd.DataFrame:
        """Lowest loss of all curves at log-spaced C; see `lowest`."""
        return lowest(self.trajectories, "C")

    @cached_property
    def envelope_at_least(self) -> pd.DataFrame:
        """The same at log-spaced C_min."""
        return lowest(self.at_least, "C_min")

    @cached_property
    def compute_law(self) -> FitResult:
        """L(C) along the envelope; runs are drawn whole."""
        return _fit_compute(self.envelope)

    @cached_property
    def compute_law_at_least(self) -> FitResult:
        """L(C_min)."""
        return _fit_compute(self.envelope_at_least)


def with_least(points: pd.DataFrame, b_crit: Array) -> pd.DataFrame:
    """Trajectories with the critical batch at each loss, S_min and C_min."""
    S_min, C_min = min_steps(points["S"], points["B"], b_crit), min_flops(points["C"], points["B"], b_crit)
    return points.assign(B_crit=b_crit, S_min=S_min, C_min=C_min)


def _fit_compute(envelope: pd.DataFrame) -> FitResult:
    return fit("kaplan_lc", envelope, loss="log_squares", clusters="run", resamples=RESAMPLES)


def _n_batches(frame: pd.DataFrame) -> list[int]:
    """Batches of each run's size."""
    return [int(n) for n in frame.groupby("N")["batch_tokens"].transform("nunique")]


def at_best_rate(cell: pd.DataFrame) -> pd.DataFrame:
    """Runs of the rate of lowest loss, mean over seeds; a choice reads the validation text, if there is one."""
    read = "loss_nats_valid" if "loss_nats_valid" in cell else "L"
    means = {rate: float(np.log(rows[read].to_numpy(float)).mean()) for rate, rows in cell.groupby("lr")}
    return cell.loc[cell["lr"] == min(means, key=means.__getitem__)]


def after_warm_up(points: pd.DataFrame) -> pd.DataFrame:
    """Points of the longest runs of each size, without their warm-up."""
    length = lengths(points)
    longest = np.asarray(points.assign(length=length).groupby("N")["length"].transform("max"))
    return points.loc[(length == longest) & (points["D"] >= WARM_UP * length)]


def lengths(points: pd.DataFrame) -> Array:
    """Tokens of the whole run of each point."""
    return np.asarray(points.groupby("run")["D"].transform("max"), float)


def _fit_steps(points: pd.DataFrame) -> FitResult:
    if (n_sizes := len(np.unique(points["N"]))) < MIN_SIZES:
        raise LackingRunsError(f"L(N, S) needs {MIN_SIZES} sizes of one batch with curves: there are {n_sizes}")
    return fit("kaplan_ln_s", points, loss="log_squares", clusters="run", resamples=RESAMPLES)


def lowest(points: pd.DataFrame, column: str) -> pd.DataFrame:
    """The envelope of trajectories along C or C_min, where smaller and larger sizes lose.

    Parameters
    ----------
    points : DataFrame
        Of `Evidence.trajectories` or `Evidence.at_least`.
    column : str
        "C" or "C_min".

    Returns
    -------
    DataFrame
        C (of that column), N, L, run, S, and of C_min also S_min and B_crit there.

    Raises
    ------
    LackingRunsError
        The curves overlap too little.
    """
    runs = [run for _, run in points.groupby("run", sort=False)]
    sizes = np.array([run["N"].iloc[0] for run in runs], float)
    grid = np.linspace(np.log(points[column].min()), np.log(points[column].max()), N_BUDGETS)
    log_loss = np.array([along(run, column, "L", grid) for run in runs])
    log_loss = np.where(np.isnan(log_loss), np.inf, log_loss)
    winner = log_loss.argmin(axis=0)
    kept, reasons = bracketed(sizes, log_loss, winner)
    if kept.sum() < MIN_BUDGETS:
        said = "; ".join(f"{each['what']}: {each['reason']}" for each in reasons)
        raise LackingRunsError(f"the curves have an envelope at {int(kept.sum())} of {N_BUDGETS} budgets ({said})")
    found = pd.DataFrame({"C": np.exp(grid), "N": sizes[winner], "L": np.exp(log_loss.min(axis=0)), "run": winner})
    for name in [name for name in ("S", "S_min", "B_crit") if name in points]:
        at = [along(runs[w], column, name, grid[i : i + 1])[0] for i, w in enumerate(winner)]
        found[name] = np.exp(at)
    return found.loc[kept].reset_index(drop=True)


def along(run: pd.DataFrame, column: str, name: str, grid: Array) -> Array:
    """Logarithm of a column of one run at logarithms of another, NaN outside."""
    x, y = np.log(run[column].to_numpy(float)), np.log(run[name].to_numpy(float))
    return np.interp(grid, x, y, left=np.nan, right=np.nan)


def exponent(points: pd.DataFrame, x: str, y: str, seed: int = 0) -> Estimate:
    """Slope of ln y in ln x with an interval by drawing again the runs that the points are from."""
    log_x, log_y = np.log(points[x].to_numpy(float)), np.log(points[y].to_numpy(float))
    labels = points["run"].to_numpy()
    slope, _ = weighted_line(log_x, log_y[None], np.ones(len(log_x)))
    if len(np.unique(labels)) < 2:
        return Estimate(float(slope[0]))
    weights = case_weights(len(log_x), RESAMPLES, np.random.default_rng(seed), labels)
    drawn, _ = weighted_line(log_x, np.tile(log_y, (RESAMPLES, 1)), weights)
    return Estimate.from_draws(float(slope[0]), drawn)
