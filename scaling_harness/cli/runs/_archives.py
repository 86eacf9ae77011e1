"""Functions that the actions of `runs` share."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from scaling_harness.record.archive import Archive


def archive_path(text: str) -> Path:
    """Path of an archive to write; refused if it lacks the suffix of an archive."""
    from scaling_harness.record.archive import SUFFIX, is_archive

    if not is_archive(Path(text)):
        raise UserError(f"{text} does not end in {SUFFIX}: give -o {text}{SUFFIX}")
    return Path(text)


def summary(archives: "Sequence[Archive]") -> dict[str, Any]:
    """Names of the sweeps, number of runs, and number of runs by status."""
    status = {run.run_id: "not finished" for archive in archives for run in archive.listing.runs}
    status |= {run_id: run.record.status for archive in archives for run_id, run in archive.runs.items()}
    names = sorted({archive.listing.name for archive in archives})
    return {"sweeps": names, "n_runs": len(status), "status": dict(sorted(Counter(status.values()).items()))}


def print_summary(written: Mapping[str, Any], as_json: bool) -> None:
    """Print what was written and where."""
    if as_json:
        print(json.dumps(written))
        return
    counts = ", ".join(f"{n} {status}" for status, n in written["status"].items())
    added = f", {written['n_added']} of them new here" if "n_added" in written else ""
    print(f"{written['path']}: {written['n_runs']} runs of {', '.join(written['sweeps'])} ({counts}){added}")
