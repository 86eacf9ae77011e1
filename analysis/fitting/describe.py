"""Note beside a fit which runs it rests on, and under which conventions they were made."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.fitting.result import FitResult
from analysis.runs.conventions import conventions_of, rows_id, tuning_of
from analysis.runs.selection import Runs


def describe(result: FitResult, runs: Runs, source: Mapping[str, Any]) -> FitResult:
    """The result with its conventions, the hash of its rows and where they are, for `compare`.

    Parameters
    ----------
    result : FitResult
        A fit of ``runs``.
    runs : Runs
        What was fitted.
    source : mapping
        Arguments of `runs.load_runs` that give the runs again.
    """
    more = {"conventions": conventions_of(runs), "rows": rows_id(runs), "source": dict(source)}
    more["tuning"] = tuning_of(Path(source["path"])) if "path" in source else None
    return dataclasses.replace(result, settings={**result.settings, **more})
