"""Collect what a run of a sweep left to read: its attempts, and the last lines of its files."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scaling_harness.errors import UserError
from scaling_harness.execution.attempts import attempt_numbers, read_attempt, read_end
from scaling_harness.execution.execute import ERROR_FILE
from scaling_harness.record.store import Store
from scaling_harness.text_table import duration
from sweeps.status.run_status import RunStatus

_N_LINES = 12
_TAIL_BYTES = 8192


def find_run(rows: Sequence[RunStatus], name: str) -> RunStatus:
    """Find a run by its run_id or a part of it.

    Raises
    ------
    UserError
        No run matches, or several do.
    """
    matches = [row for row in rows if row.run_id == name] or [row for row in rows if name in row.run_id]
    if len(matches) != 1:
        some = ", ".join(row.run_id for row in (matches or rows)[:5])
        raise UserError(f"{name!r} matches {len(matches)} runs of this sweep, not one: choose from {some}, ...")
    return matches[0]


def output(row: RunStatus, store: Store) -> dict[str, Any]:
    """Collect what a run printed and wrote.

    Parameters
    ----------
    row : RunStatus
        The run.
    store : Store
        Where the run is stored.

    Returns
    -------
    dict
        `run_id`, `state`, `reason`, `attempts` (one per row), and `files`: the last lines of each file, by path.
    """
    directory = store.run_dir(row.run_id)
    attempts = [_attempt(directory, number) for number in attempt_numbers(directory)]
    logs = [attempt["log"] for attempt in attempts[-1:] if attempt["log"]]
    metrics = store.metrics_path(row.run_id)
    paths = [*map(Path, logs), directory / ERROR_FILE, metrics]
    return {
        "run_id": row.run_id,
        "state": row.state,
        "reason": row.reason,
        "attempts": attempts,
        "files": {str(path): last_lines(path, 3 if path == metrics else _N_LINES) for path in paths if path.exists()},
    }


def log_files(directory: Path) -> dict[str, list[str]]:
    """Last line of each non-empty file in a sweep's log folder, by path, the newest file last."""
    paths: Iterable[Path] = sorted(directory.glob("*.out"), key=lambda path: path.stat().st_mtime)
    return {str(path): last_lines(path, 1) for path in paths if path.stat().st_size}


def print_output(outputs: Sequence[dict[str, Any]]) -> None:
    """Print results of `output`, or files of `log_files`."""
    for run in outputs:
        if "run_id" in run:
            print(f"{run['run_id']}  {run['state']}" + (f": {run['reason']}" if run["reason"] else ""))
        for row in run.get("attempts", ()):
            end = f"{row['end'] or 'no end yet'}" + (f": {row['reason']}" if row["reason"] else "")
            end += f" (after {duration(row['seconds'])})" if row["seconds"] is not None else ""
            print(f"attempt {row['attempt']}  {row['where']}  {row['started']}  {end}")
        for path, lines in run["files"].items():
            print(f"{path}", *(f"    {line}" for line in lines), sep="\n")


def last_lines(path: Path, n: int) -> list[str]:
    """Read the last lines of a file."""
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-n:]


def _attempt(directory: Path, number: int) -> dict[str, Any]:
    attempt, end = read_attempt(directory, number), read_end(directory, number)
    return {
        "attempt": number,
        "where": f"{attempt.host}:{attempt.pid}" if attempt else None,
        "started": attempt.started if attempt else None,
        "end": end.outcome if end else None,
        "reason": end.reason if end else None,
        "seconds": end.seconds if end else None,
        "log": attempt.log if attempt else None,
    }
