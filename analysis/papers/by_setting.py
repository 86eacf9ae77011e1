"""Runs of one sweep that differ in a setting: a row each, and what the setting changes, seeds paired."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparing.paired_runs import read_records
from analysis.fitting.estimate import Estimate
from analysis.runs.curves import curve_points, load_curve
from analysis.runs.from_records import find_run_dirs
from analysis.tables.dotted import dotted
from scaling_harness.errors import HarnessError
from scaling_harness.record.record import METRICS_FILE, RunRecord

CELL = ["N", "D"]


def runs_by(path: Path, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Completed runs of a sweep or an archive, trunks left out.

    Parameters
    ----------
    path : Path
        Of the sweep or archive.
    settings : mapping
        Dotted science field -> its value in runs that do not name it; a column each.

    Returns
    -------
    DataFrame
        N (with head), D, C, seed, loss (of the test text if there is one), own_flops (without those of a trunk), trunk
        and curve, tokens and loss along the run and its trunk.

    Raises
    ------
    HarnessError
        No run has completed.
    """
    records, _ = read_records(path)
    trunks = {record.trunk for record in records} - {None}
    folders = {folder.name: folder for folder in find_run_dirs(path)}
    rows = []
    for record in records:
        if record.status != "completed" or record.run_id in trunks:
            continue
        fields = dict(dotted(record.config))
        losses = record.losses.get("test") or record.losses["valid"]
        row = {"run_id": record.run_id, "N": record.n_params["with_head"], "D": record.n_tokens, "seed": fields["seed"]}
        row |= {"C": record.train_flops["6nd_with_head"], "loss": losses.loss_nats, "own_flops": record.spent_flops}
        row |= {"trunk": record.trunk or "", "vocab_size": record.data.get("vocab_size")}
        row |= {"curve": curve_points(_whole_curve(record, folders))}
        rows.append(row | {name: fields.get(name, default) for name, default in settings.items()})
    if not rows:
        raise HarnessError(f"no run of {path} has completed")
    return pd.DataFrame(rows)


def changes(runs: pd.DataFrame, setting: str, base: Any) -> pd.DataFrame:
    """Per cent of the loss by which each value of a setting differs from its base, by N and D; seeds paired.

    Returns
    -------
    DataFrame
        N, D, the setting, change, low and high (Student's 95 % interval, NaN of one pair), n_pairs.

    Raises
    ------
    HarnessError
        The base, or anything to compare with it, has no run.
    """
    at = [*CELL, "seed"]
    first = runs.loc[runs[setting] == base, [*at, "loss"]]
    pairs = runs.loc[runs[setting] != base].merge(first, on=at, suffixes=("", "_base"))
    if pairs.empty:
        raise HarnessError(f"no two runs of one size, length and seed differ in {setting}, one of them at {base}")
    pairs["log_ratio"] = np.log(pairs["loss"] / pairs["loss_base"])
    rows = []
    for (n_params, n_tokens, value), group in pairs.groupby([*CELL, setting]):
        found = percent(group["log_ratio"])
        low, high = found.ci95 or (np.nan, np.nan)
        cell = {"N": n_params, "D": n_tokens, setting: value, "change": found.value, "low": low, "high": high}
        rows.append(cell | {"n_pairs": len(group)})
    return pd.DataFrame(rows)


def percent(log_ratios: Any) -> Estimate:
    """Mean of logarithms of ratios, in per cent, with Student's interval."""
    return Estimate.of_mean(100 * np.expm1(np.asarray(log_ratios, float)))


def _whole_curve(record: RunRecord, folders: Mapping[str, Path]) -> pd.DataFrame:
    """The curve of a run; of a branch, after that of its trunk up to there."""
    curve = load_curve(folders[record.run_id] / METRICS_FILE)
    trunk = folders.get(record.trunk or "")
    before = load_curve(trunk / METRICS_FILE) if trunk else pd.DataFrame()
    if curve.empty or before.empty:
        return curve
    return pd.concat([before.loc[before["tokens"] < curve["tokens"].min()], curve], ignore_index=True)


def mean_curve(runs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Tokens, and the mean over runs of one length of the logarithm of the loss there, as a loss."""
    tokens = runs["curve"].iloc[0][0]
    curves = [np.interp(np.log(tokens), np.log(curve[0]), np.log(curve[1])) for curve in runs["curve"]]
    return tokens, np.exp(np.mean(curves, axis=0))
