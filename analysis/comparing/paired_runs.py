"""Runs of one sweep that differ in named settings alone, pair by pair: the difference of their losses, and of cost."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.runs.budgets import budget_groups
from analysis.runs.from_records import find_run_dirs, finished_records
from analysis.tables.dotted import dotted
from scaling_harness.errors import HarnessError
from scaling_harness.record.record import RunRecord

PAIR = ["n_layer", "d_model", "n_tokens", "seed"]
CLUSTER = ["n_layer", "d_model", "seed"]  # the runs of a trunk stand or fall together
MATCHES = {
    "shape, tokens and seed": PAIR,
    "shape, budget and seed": ["n_layer", "d_model", "budget", "seed"],
    "budget and seed, each by its best size": ["budget", "seed"],
}
"""What the two runs of a pair share, tried in this order: architectures of one shape differ in N, so in D at one C."""


@dataclass(frozen=True)
class Cell:
    """The pairs of one N and D, and of what the second has for them; the interval is Student's over their seeds."""

    n_params: int
    n_tokens: int
    n_params_second: int
    n_tokens_second: int
    n_pairs: int
    loss_first: float
    loss_second: float
    difference: Estimate


@dataclass(frozen=True)
class Pairing:
    """One variant of a sweep against another.

    Attributes
    ----------
    first, second : str
        Settings of the two variants.
    cells : tuple of Cell
    difference : Estimate
        Mean of ln L of the second minus that of the first; Student's interval over shapes and seeds, since the budgets
        of one may share a trunk.
    n_pairs, n_clusters : int
        Pairs, and shapes times seeds.
    matched : str
        One of `MATCHES`.
    flops_share, time_share : float
        Cost of the second as a part of that of the first, trunks counted once: 6ND with head, and seconds of training.
    """

    first: str
    second: str
    cells: tuple[Cell, ...]
    difference: Estimate
    n_pairs: int
    n_clusters: int
    flops_share: float
    time_share: float
    matched: str


def read_records(directory: Path) -> tuple[list[RunRecord], list[dict[str, str]]]:
    """Finished runs of a sweep, whatever their status; and those that have no loss, with the reason."""
    found, dropped = finished_records(find_run_dirs(directory))
    records = [record for _, record in found]
    failed = [record for record in records if record.status != "completed"]
    return records, dropped + [{"run": r.run_id, "reason": f"{r.status}: {r.reason}"} for r in failed]


def pairings(records: Sequence[RunRecord], by: Sequence[str]) -> tuple[Pairing, ...]:
    """Compare every two variants.

    Parameters
    ----------
    records : sequence of RunRecord
        Those that completed make pairs; a trunk counts by its cost, however it ended.
    by : sequence of str
        Dotted science fields whose values make a variant, such as `schedule.kind`.

    Returns
    -------
    tuple of Pairing

    Raises
    ------
    HarnessError
        The fields have one value, leave two runs of a variant at one shape, length and seed, or no pair.
    """
    trunks = {record.trunk for record in records} - {None}
    ends = [record for record in records if record.status == "completed" and record.run_id not in trunks]
    frame = pd.DataFrame([_row(record, by) for record in ends])
    flops = np.array([record.train_flops["6nd_with_head"] for record in ends])
    for group, rows in enumerate(budget_groups(flops) if ends else ()):
        frame.loc[rows, "budget"] = group
    cost = {record.run_id: (record.spent_flops, record.wall_s) for record in records}
    variants = list(dict.fromkeys(frame["variant"])) if len(frame) else []
    if len(variants) < 2:
        raise HarnessError(f"the completed runs have one value of {', '.join(by)}, {variants}: nothing to compare")
    if (twice := frame[frame.duplicated(["variant", *PAIR])]).size:
        raise HarnessError(f"{twice.iloc[0].run_id} and another run differ in more than {', '.join(by)}: name that too")
    return tuple(_pairing(frame, first, second, cost) for first, second in itertools.combinations(variants, 2))


def _row(record: RunRecord, by: Sequence[str]) -> dict[str, Any]:
    fields = dict(dotted(record.config))
    return {
        "run_id": record.run_id,
        "trunk": record.trunk or "",
        "variant": ", ".join(f"{name}={fields.get(name)}" for name in by),
        **{name: fields[f"model.{name}"] for name in ("n_layer", "d_model")},
        "n_params": record.n_params["with_head"],
        "n_tokens": record.n_tokens,
        "seed": fields["seed"],
        "loss": record.losses["valid"].loss_nats,
    }


def _pairing(frame: pd.DataFrame, first: str, second: str, cost: Mapping[str, tuple[float, float]]) -> Pairing:
    sides: list[Any] = [frame[frame["variant"] == name] for name in (first, second)]
    matched, pairs = _matched(*sides)
    if pairs.empty:
        raise HarnessError(f"no run of {first} has a budget and seed that one of {second} has")
    pairs["difference"] = np.log(pairs["loss_second"]) - np.log(pairs["loss"])
    clusters = np.array([np.mean(cluster["difference"]) for _, cluster in pairs.groupby(CLUSTER)])
    spent = [_cost([*pairs["run_id" + end], *pairs["trunk" + end]], cost) for end in ("", "_second")]
    shares = spent[1] / spent[0]
    sums = len(pairs), len(clusters), float(shares[0]), float(shares[1])
    return Pairing(first, second, tuple(_cells(pairs)), Estimate.of_mean(clusters), *sums, matched)


def _matched(first: pd.DataFrame, second: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Pairs by the closest match that there is; of several runs of a variant at one match, the best is taken."""
    words, pairs = "", pd.DataFrame()
    for words, shared in MATCHES.items():
        best = [side.sort_values("loss").drop_duplicates(shared) for side in (first, second)]
        there = [f"{name}_second" for name in shared]
        pairs = best[0].merge(best[1].add_suffix("_second"), left_on=shared, right_on=there)
        if len(pairs):
            return words, pairs
    return words, pairs


def _cells(pairs: pd.DataFrame) -> Iterator[Cell]:
    at = ["n_params", "n_tokens", "n_params_second", "n_tokens_second"]
    for _, cell in pairs.groupby(at):
        n_params, n_tokens, n_params_second, n_tokens_second = (int(cell[name].iloc[0]) for name in at)
        first, second = (float(np.exp(np.log(cell[name]).mean())) for name in ("loss", "loss_second"))
        sizes = n_params, n_tokens, n_params_second, n_tokens_second
        yield Cell(*sizes, len(cell), first, second, Estimate.of_mean(cell["difference"].to_numpy()))


def _cost(run_ids: Iterable[str], cost: Mapping[str, tuple[float, float]]) -> Array:
    """FLOPs and seconds of runs and of the trunks they left, each once."""
    return np.sum([cost[run_id] for run_id in set(run_ids) if run_id], axis=0)
