"""Load the runs of a fit from the description that the fit keeps of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from analysis.runs.load import COUNTS, Runs, load_runs
from scaling_harness.errors import UserError


def reload_runs(source: Mapping[str, Any], count: str | None) -> Runs:
    """Load runs as a fit describes them.

    Parameters
    ----------
    source : mapping
        `path`, `columns`, `drop_worst` and `keep_repeats`; see `load_runs`.
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
    runs = load_runs(
        source["path"],
        count=count or "with_head",
        columns=source["columns"],
        drop_worst=source["drop_worst"],
        keep_repeats=source["keep_repeats"],
    )
    return dataclasses.replace(runs, count=count)
