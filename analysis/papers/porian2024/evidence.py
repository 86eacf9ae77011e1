"""Runs of `conf/sweep/porian/steps.yaml`, told apart by their schedules, and their losses at the common budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arrays import Rows
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.papers.figure import LackingRunsError
from analysis.runs.conventions import token_unit
from analysis.runs.curves import Points, curves_of
from analysis.runs.from_records import find_run_dirs, is_sweep, read_rows
from analysis.runs.load import load_runs
from analysis.runs.selection import Count, Runs, Selection
from scaling_harness.errors import UserError

BUDGETS = tuple(5e9 * 2**i for i in range(6))
SAME = 0.02  # relative: a warm-up of N tokens, a budget in whole steps
TUNED_AT = 20.0  # tokens a parameter at which the settings of a size are compared
SCIENCE = {
    "kind": "schedule.kind",
    "warmup_unit": "schedule.warmup.unit",
    "warmup": "schedule.warmup.amount",
    "beta2": "optim.beta2",
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """Runs of the five steps.

    Attributes
    ----------
    runs : Runs
        N with head; `n_params_non_embedding`, and beside what records say kind, warmup (tokens) and beta2.
    curves : mapping
        From `curves_of`.
    """

    runs: Runs
    curves: Mapping[object, Points]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Evidence":
        """Read sweeps or archives.

        Raises
        ------
        UserError
            None, or a table: it has no schedules and curves.
        """
        said = [f"{path} is a table" for path in paths if not is_sweep(path)] or ["no runs are named"] * (not paths)
        if said:
            raise UserError(f"{said[0]}: the five steps need the records of a sweep, or its archive")
        parts = [_read(path) for path in paths]
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
        runs = Runs(frame, tuple(row for part in parts for row in part.dropped), parts[0].count)
        return cls(runs, curves_of(runs))

    @cached_property
    def unit(self) -> str:
        """What a token is, "byte" or "token"."""
        return token_unit(self.runs)

    @property
    def fixed_warmup(self) -> pd.DataFrame:
        """Long cosine runs of one warm-up at all sizes: steps 1 and 2."""
        cosine = self._cosine
        return cosine.loc[np.asarray(cosine["warmup_unit"] == "tokens") & ~_warms_up_n(cosine)]

    @property
    def scaled_warmup(self) -> pd.DataFrame:
        """Long cosine runs with a warm-up of N tokens: step 3."""
        cosine = self._cosine
        return cosine.loc[_warms_up_n(cosine) & (cosine["D"] == cosine["D"].max())]

    @property
    def matched(self) -> pd.DataFrame:
        """Cosine runs that end with a budget: step 4."""
        cosine = self._cosine
        return cosine.loc[_warms_up_n(cosine) & (cosine["D"] < cosine["D"].max())]

    @cached_property
    def settings(self) -> pd.DataFrame:
        """Runs without a decay: N, batch_tokens, lr, beta2, index, and the loss at `TUNED_AT` tokens a parameter."""
        constant = self.runs.frame.loc[self.runs.frame["kind"] == "constant"]
        at = TUNED_AT * constant["N"].to_numpy(float)
        loss = [
            float(np.exp(np.interp(np.log(d), *np.log(self.curves[i])))) if i in self.curves else np.nan
            for i, d in zip(constant.index, at, strict=True)
        ]
        columns = constant[["N", "batch_tokens", "lr", "beta2"]]
        return columns.assign(index=constant.index, loss=loss).dropna(subset=["loss"])

    @property
    def best_settings(self) -> pd.DataFrame:
        """The row of lowest loss of each size; ``edge``: its rate is the lowest or highest of its batch."""
        settings = self.settings
        best = settings.loc[settings.groupby("N")["loss"].idxmin()].reset_index(drop=True)
        edges = []
        for row in best.itertuples():
            same = (settings["N"] == row.N) & (settings["batch_tokens"] == row.batch_tokens)
            rates = settings.loc[same, "lr"]
            edges.append(rates.nunique() > 1 and row.lr in (rates.min(), rates.max()))
        return best.assign(edge=edges)

    @property
    def tuned(self) -> pd.DataFrame:
        """Runs of the best settings of each size: step 5."""
        return self.runs.frame.loc[self.best_settings["index"].to_list()]

    def along(self, frame: pd.DataFrame, count: Count, name: str) -> pd.DataFrame:
        """Losses of runs at the budgets, interpolated in the logs along their curves: N, C, D, seed, log_loss.

        Raises
        ------
        LackingRunsError
            There are no such runs.
        """
        self._check(frame, name)
        budgets = np.array(BUDGETS)
        parts = []
        for index, run in frame.iterrows():
            if index not in self.curves:
                continue
            tokens, loss = self.curves[index]
            n_params = float(run.to_dict()[f"n_params_{count}"])
            at = budgets / (FLOPS_PER_PARAM_TOKEN * n_params)
            log_loss = np.interp(np.log(at), np.log(tokens), np.log(loss), left=np.nan, right=np.nan)
            parts.append(
                pd.DataFrame({"N": n_params, "C": budgets, "D": at, "seed": run["seed"], "log_loss": log_loss})
            )
        if not parts:
            raise LackingRunsError(f"{name}: no run has a training curve")
        return pd.concat(parts, ignore_index=True).dropna(subset=["log_loss"])

    def at_ends(self, frame: pd.DataFrame, name: str) -> pd.DataFrame:
        """Final losses of runs that end with a budget, on the validation text: columns as of `along`."""
        self._check(frame, name)
        budgets = np.array(BUDGETS)
        nearest = np.abs(np.log(frame["C"].to_numpy(float)[:, None] / budgets)).argmin(axis=1)
        loss = frame["loss_nats_valid"] if "loss_nats_valid" in frame else frame["L"]
        kept = np.abs(np.log(frame["C"].to_numpy(float) / budgets[nearest])) < SAME
        ends = frame[["N", "D", "seed"]].assign(C=budgets[nearest], log_loss=np.log(loss.astype(float)))
        return ends.loc[kept].reset_index(drop=True)

    @property
    def _cosine(self) -> pd.DataFrame:
        return self.runs.frame.loc[self.runs.frame["kind"] == "cosine"]

    @staticmethod
    def _check(frame: pd.DataFrame, name: str) -> None:
        if frame.empty:
            raise LackingRunsError(f"{name}: no finished run is of this step")


def _read(path: Path) -> Runs:
    """Completed runs of all recipes with the fields that tell the steps apart."""
    runs = load_runs(path, Selection("with_head", keep_recipes=True))
    every, _ = read_rows(find_run_dirs(path))
    science = dict(zip(every["run"], every["science"], strict=True))
    fields = {name: [science[run].get(field) for run in runs.frame["run"]] for name, field in SCIENCE.items()}
    return Runs(runs.frame.assign(**fields), runs.dropped, runs.count)


def _warms_up_n(frame: pd.DataFrame) -> Rows:
    """Whether the warm-up of each run has as many tokens as N with head."""
    off = np.abs(frame["warmup"].to_numpy(float) / frame["N"].to_numpy(float) - 1)
    return np.asarray(frame["warmup_unit"] == "tokens") & (off < SAME)
