"""Exports of Weights & Biases: the runs table as CSV, and runs with nested config and summary as JSON lines."""

import json
import re
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.tables.dotted import dotted

_CHART = re.compile(r"(?P<run>.+) - (?P<metric>[^_].*?)(?P<bound>__MIN|__MAX)?")
MOST_SHARED = 2  # columns of a chart that belong to no run: the step, perhaps a time


def flatten(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that hold mappings (or their JSON) as dotted columns: config.model.d_model, summary.loss.

    Wandb's own wrapping {"value": x, "desc": ...} becomes x.
    """
    for name in list(frame.columns):
        given = frame[name].dropna()
        if given.empty or is_numeric_dtype(given) or _mapping(given.iloc[0]) is None:
            continue
        parsed = [_mapping(value) for value in given]
        if all(row is not None for row in parsed):
            flat = pd.DataFrame(
                [
                    dict(dotted({key: _unwrapped(value) for key, value in (row or {}).items()}, f"{name}."))
                    for row in parsed
                ],
                index=given.index,
            )
            frame = pd.concat([frame.drop(columns=name), flat], axis=1)
    return frame


def _mapping(value: Any) -> dict[str, Any] | None:
    """A mapping, the mapping a string of JSON holds, None for anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            read = json.loads(value)
        except ValueError:
            return None
        return read if isinstance(read, dict) else None
    return None


def _unwrapped(value: Any) -> Any:
    """The value that wandb wraps as {"value": x, "desc": ...}, at any depth."""
    if not isinstance(value, dict):
        return value
    if "value" in value and set(value) <= {"value", "desc"}:
        return _unwrapped(value["value"])
    return {key: _unwrapped(item) for key, item in value.items()}


def lengthen(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Bring a chart's export (`run - eval/loss`, with `__MIN` and `__MAX`) to rows of run, step and metric.

    Parameters
    ----------
    frame : DataFrame
        As in the file.

    Returns
    -------
    DataFrame
        Another table as it is.
    tuple of str
        What was done, as sentences.
    """
    named = {name: found for name in frame if (found := _CHART.fullmatch(str(name)))}
    values = {name: found for name, found in named.items() if not found["bound"]}
    bounds, shared = len(named) - len(values), frame[[name for name in frame if name not in named]]
    if not values or shared.shape[1] > MOST_SHARED or (not bounds and len(values) < 2):
        return frame, ()
    parts: dict[str, pd.DataFrame] = {}
    for name, found in values.items():
        run = parts.setdefault(found["run"], shared.assign(run=found["run"]))
        parts[found["run"]] = run.assign(**{found["metric"]: frame[name]})
    metrics = sorted({found["metric"] for found in values.values()})
    long = pd.concat(parts.values(), ignore_index=True)
    long = long.dropna(subset=[name for name in metrics if name in long], how="all").reset_index(drop=True)
    left_out = f"; {bounds} columns of __MIN and __MAX are left out" if bounds else ""
    return long, (f"a chart of {len(parts)} runs, read as {len(long)} rows of run and {', '.join(metrics)}{left_out}",)
