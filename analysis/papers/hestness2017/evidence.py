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
from analysis.frontier.approach2_isoflop import MIN_SIZES, vertex_of
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

    @property
    def is_limited(self) -> bool:
        """Whether any run saw its tokens more than once."""
        return bool(np.asarray(self.frame["epochs"] > 1).any())

    @cached_property
    def cells(self) -> pd.DataFrame:
        """At each setting, D and N the best of further settings (rates), as means over seeds."""
        keys = [*SETTINGS, "D", "N"]
        means = self.frame.groupby([*keys, "recipe"], as_index=False).agg(
            **{name: (name, "mean") for name in ("L", "L_valid", "still_falling")},
            **{name: (name, "first") for name in ("entropy", "vocab_size")},
        )
        return means.loc[means.groupby(keys)["L_valid"].idxmin()].reset_index(drop=True)

    @cached_property
    def best(self) -> pd.DataFrame:
        """A row for each setting and D: its best size and loss, see `_best`."""
        keys = [*SETTINGS, "D"]
        return pd.DataFrame([dict(cell[keys].iloc[0]) | _best(cell) for _, cell in self.cells.groupby(keys)])

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

    def limited_by_data(self, domain: str) -> pd.DataFrame:
        """The same without the data sizes whose best run was still falling when its steps ended.

        Raises
        ------
        LackingRunsError
            None is left.
        """
        curve = self.curve(domain)
        kept = curve.loc[~np.asarray(curve["still_falling"], bool)]
        if kept.empty:
            raise LackingRunsError(f"every best run on {domain} was still falling when its steps ended: train longer")
        return kept


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
        "epochs": record.n_tokens / distinct,
        "still_falling": record.best.step >= record.n_steps if record.best else distinct < record.n_tokens,
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
    """The best size of one D and its loss, whether larger and smaller ones were worse, and whether it still fell.

    N_best is that of the parabola through it if it lies inside the grid; if not, ``why`` says so.
    """
    cell = cell.sort_values("N")
    at = int(cell["L_valid"].to_numpy().argmin())
    found = {"L": float(cell["L"].iloc[at]), "n_sizes": len(cell), "entropy": float(cell["entropy"].iloc[0])}
    found |= {"vocab_size": cell["vocab_size"].iloc[0], "still_falling": bool(cell["still_falling"].iloc[at] > 0)}
    near = cell.iloc[max(0, at - NEAREST) : at + NEAREST + 1]
    log_n, losses = np.log(near["N"].to_numpy(float)), np.log(near["L_valid"].to_numpy(float))
    n_best = float(np.exp(vertex_of(log_n, losses[None])[0][0]))
    why = _why_not(cell["N"].to_numpy(float), at, n_best)
    return found | {"N_best": float(cell["N"].iloc[at]) if why else n_best, "inside": not why, "why": why}


def _why_not(sizes: Array, at: int, n_best: float) -> str:
    """Why a best size is none; "" if it is one."""
    if len(sizes) < MIN_SIZES:
        return f"{len(sizes)} sizes: a best one needs {MIN_SIZES}"
    if at in (0, len(sizes) - 1):
        return f"the {'smallest' if at == 0 else 'largest'} size is the best: the best one may lie outside the grid"
    return "" if sizes[at - 1] < n_best < sizes[at + 1] else "the parabola has no minimum beside the best size"


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
