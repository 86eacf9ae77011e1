"""Exports of Weights & Biases: the runs table as CSV, and runs with nested config and summary as JSON lines."""

import json
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

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
            flat = pd.DataFrame([_dotted(row or {}, f"{name}.") for row in parsed], index=given.index)
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


def _dotted(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    flat = {}
    for key, value in row.items():
        if isinstance(value, dict) and set(value) <= {"value", "desc"} and "value" in value:
            value = value["value"]
        if isinstance(value, dict):
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


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
    """Names of the runs, where the export has them."""
    column = next((name for name in (LABEL, "name", "run_name") if name in frame), None)
    if column is None or STATE not in frame:
        return None
    return [str(value) for value in frame[column]]
