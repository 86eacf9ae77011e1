"""Exports of Weights & Biases: the runs table as CSV, and runs with nested config and summary as JSON lines."""

import json
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.runs.dotted import dotted

STATE = "State"
FINISHED = "finished"
LABEL = "Name"
KNOWN_STATES = {FINISHED, "running", "crashed", "failed", "killed", "pending", "preempted", "preempting"}


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


def with_status(frame: pd.DataFrame) -> pd.DataFrame:
    """State as the status and reason of a run; rows of other tables stay as they are."""
    column = next((name for name in (STATE, STATE.lower()) if name in frame), None)
    if column is None or "status" in frame or not set(frame[column].tolist()) <= KNOWN_STATES:
        return frame
    states = frame[column].tolist()
    return frame.assign(
        status=["completed" if state == FINISHED else "unfinished" for state in states],
        reason=[None if state == FINISHED else f"wandb says {state}" for state in states],
    )


def labels(frame: pd.DataFrame) -> list[str] | None:
    """Names of the runs, if the export has them."""
    column = next((name for name in (LABEL, "name", "run_name") if name in frame), None)
    if column is None or STATE not in frame:
        return None
    return [str(value) for value in frame[column]]
