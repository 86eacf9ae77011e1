"""Runs on limited tokens: for each number of distinct tokens the best size and its loss, by the validation text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.comparing.paired_runs import read_records
from analysis.fitting.estimate import Estimate
from analysis.frontier.approach2_isoflop import MIN_SIZES, parabolas, vertex_of
from analysis.papers.figure import LackingRunsError
from analysis.runs.conventions import unit_of
from analysis.runs.from_records import is_sweep
from scaling_harness.errors import UserError
from scaling_harness.record.record import RunRecord

SETTINGS = ["domain", "architecture", "optimiser"]
NEAREST = 2
"""Sizes on each side of the best that a parabola goes through."""
MIN_BEST = 3
"""Data sizes that beta_p needs."""
DOMAINS = {
    "sotu": "speeches",
    "code": "code",
    "docstrings": "docstrings",
    "grammar": "grammar",
    "quanta": "quanta",
    "walk": "walks",
    "back_off": "order-k source",
}
"""Label of the tokens -> word in legends."""


@dataclass(frozen=True)
class Evidence:
    """Completed runs, a row each: domain, architecture, optimiser, N, D (distinct tokens), L, L_valid, entropy, V."""

    frame: pd.DataFrame

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Evidence":
        """Read sweeps or archives.

        Raises
        ------
        UserError
            None, or a table.
        LackingRunsError
            No run has completed.
        """
        if not paths or not all(is_sweep(path) for path in paths):
            raise UserError("losses of few distinct tokens need the records of sweeps, or their archives")
        records = [record for path in paths for record in read_records(path)[0] if record.status == "completed"]
        if not records:
            raise LackingRunsError("no run has completed")
        return cls(pd.DataFrame([_row(record) for record in records]))

    @property
    def unit(self) -> str:
        """What a token is."""
        sizes = self.frame["vocab_size"].dropna().unique()
        return unit_of(int(sizes[0]) if len(sizes) == 1 else None)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """At each setting, D and N the best of further settings (rates), as means over seeds."""
        keys = [*SETTINGS, "D", "N"]
        means = self.frame.groupby([*keys, "recipe"], as_index=False).agg(
            L=("L", "mean"), L_valid=("L_valid", "mean"), entropy=("entropy", "first"), vocab_size=("vocab_size", "first")
        )
        return means.loc[means.groupby(keys)["L_valid"].idxmin()].reset_index(drop=True)

    @cached_property
    def best(self) -> pd.DataFrame:
        """A row for each setting and D: N_best (its parabola's if the best size lies inside the grid), L, inside, why."""
        groups = self.cells.groupby([*SETTINGS, "D"])
        return pd.DataFrame([dict(zip([*SETTINGS, "D"], key, strict=True)) | _best(cell) for key, cell in groups])

    def curve(self, domain: str) -> pd.DataFrame:
        """Best losses of a domain with the architecture and optimiser that have most data sizes.

        Raises
        ------
        LackingRunsError
            No run is of this domain.
        """
        there = self.best.loc[self.best["domain"] == domain]
        if there.empty:
            raise LackingRunsError(f"no run is on {domain}")
        _, most = max(there.groupby(SETTINGS), key=lambda item: len(item[1]))
        return most.sort_values("D")


def _row(record: RunRecord) -> dict[str, Any]:
    losses = record.best.losses if record.best else record.losses
    valid = losses.get("valid") or record.losses["valid"]
    reported = losses.get("test") or valid
    model, optim = record.config["model"], record.config["optim"]
    label = str(record.data.get("label", "tokens"))
    distinct = min(record.n_unique_tokens or record.n_tokens, record.n_tokens)
    return {
        "domain": DOMAINS.get(label, label),
        "architecture": _architecture(model),
        "optimiser": _optimiser(optim),
        "recipe": f"{record.learning_rate:.6g}",
        "N": float(record.n_params["with_head"]),
        "D": float(distinct),
        "L": reported.loss_nats,
        "L_valid": valid.loss_nats,
        "entropy": np.nan if reported.entropy_nats is None else reported.entropy_nats,
        "vocab_size": record.data.get("vocab_size"),
    }


def _architecture(model: dict[str, Any]) -> str:
    """The architecture in words."""
    if target := model.get("target"):
        return "LSTM" if target == "lstm" else str(target)
    return "transformer" if model.get("parametrisation") == "mup" else "GPT-2 layers"


def _optimiser(optim: dict[str, Any]) -> str:
    """Adam, or what is left of it without its averages."""
    if optim.get("beta1", 0.9) > 0:
        return "Adam"
    return "RMSProp" if optim.get("beta2", 0.999) > 0 else "sign descent"


def _best(cell: pd.DataFrame) -> dict[str, Any]:
    """The best size of one D and its loss, and whether larger and smaller ones were worse."""
    cell = cell.sort_values("N")
    at = int(cell["L_valid"].to_numpy().argmin())
    found = {"L": float(cell["L"].iloc[at]), "n_sizes": len(cell), "entropy": float(cell["entropy"].iloc[0])}
    found |= {"vocab_size": cell["vocab_size"].iloc[0]}
    near = cell.iloc[max(0, at - NEAREST) : at + NEAREST + 1]
    log_n, losses = np.log(near["N"].to_numpy(float)), np.log(near["L_valid"].to_numpy(float))
    why = ""
    if len(cell) < MIN_SIZES:
        why = f"{len(cell)} sizes: a best one needs {MIN_SIZES}"
    elif at in (0, len(cell) - 1):
        why = f"the {'smallest' if at == 0 else 'largest'} size is the best: it may lie outside the grid"
    elif parabolas(log_n, losses[None])[0, 2] <= 0:
        why = "the parabola has no minimum"
    n_best = float(cell["N"].iloc[at]) if why else float(np.exp(vertex_of(log_n, losses[None])[0][0]))
    return found | {"N_best": n_best, "inside": not why, "why": why}


@dataclass(frozen=True)
class SizeLaw:
    """N_best = coefficient D^beta_p."""

    beta_p: Estimate
    coefficient: float

    def at(self, n_tokens: Array) -> Array:
        """Best size at D."""
        return self.coefficient * np.asarray(n_tokens, float) ** self.beta_p.value


def size_law(best: pd.DataFrame) -> SizeLaw:
    """Line through the best sizes that lie inside their grids, in logarithms.

    Raises
    ------
    LackingRunsError
        There are fewer than three.
    """
    inside = best.loc[np.asarray(best["inside"], bool)]
    if len(inside) < MIN_BEST:
        reasons = "; ".join(dict.fromkeys(best.loc[~np.asarray(best["inside"], bool), "why"]))
        raise LackingRunsError(
            f"the best size lies inside its grid for {len(inside)} of {len(best)} data sizes, beta_p needs {MIN_BEST}: "
            f"{reasons or 'train more data sizes'}"
        )
    x, y = np.log(inside["D"].to_numpy(float)), np.log(inside["N_best"].to_numpy(float))
    found = Estimate.of_slope(x, y)
    return SizeLaw(found, float(np.exp(y.mean() - found.value * x.mean())))
