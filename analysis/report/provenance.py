"""Where the numbers of a report come from: runs, recipe, costs and provenance, in plain text."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.report.tables import Table, number, table
from analysis.runs.from_records import recipe, recipe_fields, record_in
from analysis.runs.selection import Runs
from scaling_harness.record.record import RunRecord

RUN_COLUMNS = {"run": "run", "N": "N", "D": "D", "C": "C, FLOP", "L": "loss", "loss_stderr_nats": "std. error"}
RUN_COLUMNS |= {"seed": "seed", "lr": "learning rate", "batch_tokens": "batch", "wall_s": "time, s"}
MOST_VALUES = 4


def dropped(runs: Runs) -> Table:
    """Runs that are in no fit, with the reason."""
    return table(("run", "reason"), [(row["run"], row["reason"]) for row in runs.dropped])


def run_table(runs: Runs) -> Table:
    """Every run of the fit as a row."""
    shown = {name: title for name, title in RUN_COLUMNS.items() if name in runs.frame}
    ordered = runs.frame.sort_values([name for name in ("N", "D") if name in runs.frame])
    rows = [[_cell(value) for value in row] for row in ordered[list(shown)].itertuples(index=False)]
    return table(tuple(shown.values()), rows)


def _cell(value: Any) -> str:
    return str(value) if isinstance(value, str | int | np.integer) else number(value)


def records_of(runs: Runs) -> list[RunRecord]:
    """The records behind the runs; none for a table."""
    if "curve_path" not in runs.frame:
        return []
    found = (record_in(Path(path).parent) for path in runs.frame["curve_path"])
    return [record for record in found if record]


def recipe_values(records: Sequence[RunRecord]) -> dict[str, str]:
    """Science settings other than shape, length and seed; those that differ with all their values."""
    values: dict[str, dict[str, None]] = {}
    recipes = {recipe(record.config): recipe_fields(record.config) for record in records}
    for fields in recipes.values():
        for name, value in fields.items():
            values.setdefault(name, {})[json.dumps(value)] = None
    return {name: " | ".join(several) for name, several in values.items()}


def recipe_text(records: Sequence[RunRecord]) -> str:
    """The same as one line."""
    return "; ".join(f"{name} = {values}" for name, values in recipe_values(records).items())


def code_and_data(records: Sequence[RunRecord]) -> str:
    """Versions of the code that trained the runs, and their data."""
    if not records:
        return "a table of runs trained elsewhere"
    versions = {_code(record.provenance) for record in records}
    data = {f"{r.data.get('label') or 'data'} {str(r.data.get('data_id'))[:12]}" for r in records}
    return f"{', '.join(sorted(versions))}; {', '.join(sorted(data))}"


def _code(made: Mapping[str, Any]) -> str:
    """The commit, or of an installed package its version and the hash of its code."""
    commit, package = made.get("commit"), made.get("versions", {}).get("scaling-harness")
    name = f"commit {commit[:10]}" if commit else f"version {package}, code {made.get('code') or 'unknown'}"
    return name + (" (dirty)" if made.get("dirty") else "")


def costs(frame: pd.DataFrame) -> Table:
    """What the runs cost."""
    names: Mapping[str, tuple[str, Callable[[Array], float]]] = {
        "C": ("training compute C of the runs, FLOP", np.sum),
        "spent_flops": ("compute spent (shared work counted once), FLOP", np.sum),
        "wall_s": ("time of all runs added, s", np.sum),
        "peak_memory_bytes": ("largest memory of a process, bytes", np.max),
    }
    here = {name: frame[name].to_numpy(float) for name in names if name in frame}
    return table(("quantity", "value"), [(names[name][0], number(names[name][1](x))) for name, x in here.items()])


def provenance(records: Sequence[RunRecord], here: Mapping[str, Any]) -> Table:
    """Where the runs and this page come from: each different value with the number of runs that have it."""
    rows = []
    for field in ("code", "commit", "dirty", "versions", "machine", "command"):
        counts = Counter(_text(record.provenance.get(field)) for record in records)
        rows += [(f"runs: {field}", value, f"{n} runs") for value, n in counts.most_common(MOST_VALUES)]
        if len(counts) > MOST_VALUES:
            rows.append((f"runs: {field}", f"and {len(counts) - MOST_VALUES} others", ""))
    rows += [
        (f"this page: {field}", _text(here.get(field)), "")
        for field in ("code", "commit", "dirty", "versions", "command")
    ]
    return table(("what", "value", ""), rows)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else "unknown" if value is None else str(value)
