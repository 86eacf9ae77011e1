"""Exports of Weights & Biases: the runs table as CSV, and runs with nested config and summary in any table.

Among them are those of this package's own runs, whose counts and losses have the names of its own tables.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.tables.dotted import dotted

_CHART = re.compile(r"(?P<run>.+) - (?P<metric>[^_].*?)(?P<bound>__MIN|__MAX)?")
OWN = {"N": "n_params_with_head", "D": "n_tokens", "C": "train_flops_6nd_with_head", "L": "loss_nats"}
"""Letter -> its column in what `sweep mirror` sends to wandb, and in `table --csv`."""
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
    """A mapping, the mapping that a string of JSON holds or pandas printed to a CSV, None for anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        for read in (json.loads, _printed):
            try:
                found = read(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            return found if isinstance(found, dict) else None
    return None


def _printed(text: str) -> Any:
    """The value of a literal of Python; nan and inf, which are none, become None."""
    return ast.literal_eval(re.sub(r"(?<=[:\[,(] )-?(?:nan|inf)\b|(?<=\[)-?(?:nan|inf)\b", "None", text.strip()))


def full_names(named: Mapping[str, str], columns: Iterable[str]) -> dict[str, str]:
    """Complete what a user named, or what this package names so itself, by config. or summary. in front.

    Parameters
    ----------
    named : mapping of str to str
        Letter or role -> column; what this package's own runs are called is added, if it is there and not named.
    columns : iterable of str
        Columns of the file.
    """
    known = set(columns)
    own = {letter: name for letter, name in OWN.items() if _full(name, known) in known}
    if {"L"} & own.keys() and not {"L"} & {*named, *known}:
        letters = {"N", "D", "C"} & {*named, *known}
        named = {**({"L": own["L"]} if letters else own), **named}
    return {letter: name if letter == "finished" else _full(name, known) for letter, name in named.items()}


def has_one_row_a_run(columns: Iterable[str]) -> bool:
    """Whether a table is one of runs by the names of wandb's page or its API, so that no row is a checkpoint."""
    names = [str(name) for name in columns]
    page = {"Name", "State"} <= set(names)
    return page or all(any(name.startswith(part) for name in names) for part in ("config.", "summary."))


def _full(name: str, known: set[str]) -> str:
    found = (full for full in (name, f"config.{name}", f"summary.{name}") if full in known)
    return next(found, name)


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
