"""Load the runs of a fit from the description that the fit keeps of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from analysis.runs.load import load_runs
from analysis.runs.selection import COUNTS, Runs, Selection
from scaling_harness.errors import UserError


def reload_runs(source: Mapping[str, Any], count: str | None) -> Runs:
    """Load runs as a fit describes them.

    Parameters
    ----------
    source : mapping
        `path`, `columns`, `drop_worst`, `keep_repeats` and perhaps `best_of`; see `load_runs`.
    count : str or None
        The count of N of a sweep, or what the N of a table is, as far as it is known.

    Returns
    -------
    Runs

    Raises
    ------
    UserError
        There is no such count; or see `load_runs`.
    """
    if count is not None and count not in COUNTS:
        raise UserError(f"count {count!r} is not one of {', '.join(COUNTS)}")
    taken: dict[str, Any] = {name: source.get(name) for name in ("drop_worst", "keep_repeats", "best_of")}
    selection = Selection(count or "with_head", **taken)
    runs = load_runs(source["path"], selection, columns=source["columns"])
    return dataclasses.replace(runs, count=count)
