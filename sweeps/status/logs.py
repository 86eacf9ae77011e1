"""What a run of a sweep has left to read: its attempts, and the last lines of its files."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scaling_harness.errors import UserError
from scaling_harness.execution.attempts import attempt_numbers, read_attempt, read_end
from scaling_harness.execution.execute import ERROR_FILE
from scaling_harness.record.store import Store
from sweeps.planning.time_estimate import duration
from sweeps.status.run_status import RunStatus

_N_LINES = 12
_TAIL_BYTES = 8192


def find_run(rows: Sequence[RunStatus], name: str) -> RunStatus:
    """Find a run by a part of its run_id.

    Raises
    ------
    UserError
        None, or several, have it.
    """
    found = [row for row in rows if row.run_id == name] or [row for row in rows if name in row.run_id]
    if len(found) != 1:
        some = ", ".join(row.run_id for row in (found or rows)[:5])
        raise UserError(f"{name!r} is the name of {len(found)} runs of this sweep; there are {some}, ...")
    return found[0]


def output(row: RunStatus, store: Store) -> dict[str, Any]:
    """Gather what a run printed and wrote.

    Parameters
    ----------
    row : RunStatus
        The run.
    store : Store
        Where it lives.

    Returns
    -------
    dict
        `run_id`, `state`, `reason`, `attempts` (one a row), and `files`: the last lines of each file, by path.
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
    """Last line of every file in a sweep's folder of logs that holds one, by path, the newest last."""
    paths: Iterable[Path] = sorted(directory.glob("*.out"), key=lambda path: path.stat().st_mtime)
    return {str(path): last_lines(path, 1) for path in paths if path.stat().st_size}


def print_output(found: Sequence[dict[str, Any]]) -> None:
    """Print what `output` gathered, or the files that `log_files` did."""
    for run in found:
        if "run_id" in run:
            print(f"{run['run_id']}  {run['state']}" + (f": {run['reason']}" if run["reason"] else ""))
        for row in run.get("attempts", ()):
            end = f"{row['end'] or 'no end yet'}" + (f": {row['reason']}" if row["reason"] else "")
            end += f" (after {duration(row['seconds'])})" if row["seconds"] is not None else ""
            print(f"attempt {row['attempt']}  {row['where']}  {row['started']}  {end}")
        for path, lines in run["files"].items():
            print(f"{path}", *(f"    {line}" for line in lines), sep="\n")


def last_lines(path: Path, n: int) -> list[str]:
    """Read the end of a file."""
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
