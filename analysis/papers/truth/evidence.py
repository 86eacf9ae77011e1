"""Runs on tokens of known entropy: every law under every objective, and forecasts of ten times the compute."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.comparing.paired_runs import read_records
from analysis.fitting.fit import LOSSES, fit
from analysis.fitting.result import FitResult
from analysis.laws.chinchilla import chinchilla, skaling, tied
from analysis.laws.constrained import hold
from analysis.papers.figure import LackingRunsError
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs
from analysis.validation.coverage import WindowCoverage, judge_alone, judge_mixture
from analysis.validation.holdout import budget_bands
from analysis.validation.mixture import (
    MIN_BUDGETS_LEFT,
    cells_of,
    expanding_windows,
    fit_forms,
    forecast_rows,
)
from scaling_harness.errors import HarnessError

FORMS = (chinchilla, tied, skaling)
RESAMPLES = 400
AHEAD = 10.0
SAME = 1.01
"""Budgets of ten times the compute are those above it by less than one in a hundred."""


@dataclass(frozen=True)
class FitAtTruth:
    """One law under one objective, beside the same with E held at the truth."""

    law: str
    objective: str
    free: FitResult
    known: FitResult

    @property
    def holds(self) -> bool | None:
        """Whether the true E lies inside its interval; None without an interval."""
        ci95 = self.free.params["E"].ci95
        return None if ci95 is None else ci95[0] <= self.known.law.fixed["E"] <= ci95[1]


@dataclass(frozen=True)
class TruthEvidence:
    """Runs of one source of known entropy."""

    runs: Runs
    entropy_nats: float
    kind: str
    """That of the source, as `data.kind` names it."""

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "TruthEvidence | None":
        """Read a sweep; None for what needs none.

        Raises
        ------
        LackingRunsError
            The entropy of its tokens is not known.
        """
        if not paths:
            return None
        runs = load_runs(paths[0])
        known = runs.frame["entropy_nats"].unique() if "entropy_nats" in runs.frame else np.array([np.nan])
        if len(known) != 1 or not np.isfinite(known[0]):
            raise LackingRunsError("the entropy of their tokens is not known: they are not of one generated source")
        records, _ = read_records(paths[0])
        return cls(runs, float(known[0]), records[0].config["data"]["kind"])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Means over seeds."""
        return design_cells(self.runs.frame)

    @property
    def span(self) -> float:
        """Largest reducible loss over the smallest."""
        reducible = self.cells["L"].to_numpy(float) - self.entropy_nats
        return float(reducible.max() / reducible.min())

    @cached_property
    def fits(self) -> tuple[FitAtTruth, ...]:
        """Every law under every objective."""
        return tuple(
            FitAtTruth(
                law.name,
                objective,
                fit(law, self.runs, loss=objective, resample="residuals", resamples=RESAMPLES),
                fit(hold(law, {"E": self.entropy_nats}), self.runs, loss=objective, resample="none"),
            )
            for law in FORMS
            for objective in LOSSES
        )

    @cached_property
    def forecasts(self) -> tuple[WindowCoverage, ...]:
        """The largest budget from those up to a tenth of it: each law alone, then the mixture."""
        bands = [self.cells.iloc[rows] for rows in budget_bands(self.cells["C"].to_numpy())]
        small = [band for band in bands if band["C"].mean() * AHEAD <= bands[-1]["C"].mean() * SAME]
        if len(small) <= MIN_BUDGETS_LEFT:
            raise LackingRunsError(
                f"a forecast of ten times the compute needs {MIN_BUDGETS_LEFT + 1} budgets up to a tenth of it: "
                f"there are {len(small)}"
            )
        cells, n_kept = cells_of([*small, bands[-1]]), len(small)
        fitted, reasons = fit_forms(cells, FORMS, n_kept)
        if not fitted:
            raise LackingRunsError(next(iter(reasons.values())))
        window = forecast_rows(cells, fitted, n_kept, cells.bands[-1])
        before = expanding_windows(cells, n_bands=n_kept)
        return (*(judge_alone(window, name) for name in fitted), judge_mixture(window, before))


def right_form(fits: Sequence[FitAtTruth]) -> str:
    """The law that fits best by least squares of ln L with E held at the truth, and by how much."""
    rms = {each.law: each.known.residual_rms for each in fits if each.objective == "log_squares"}
    if not rms:
        raise HarnessError("no law was fitted by log_squares")
    best = min(rms, key=rms.__getitem__)
    others = ", ".join(f"{name} {value:.2%}" for name, value in rms.items() if name != best)
    return f"{best}: with E known its residuals are {rms[best]:.2%} rms ({others})"
