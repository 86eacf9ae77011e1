"""The attempts at training a run, as files in its folder: who trains it or has trained it, and how that ended.

`attempt-0001.json` is created with O_EXCL and its number is a fencing token. Its owner holds a lock on it and touches
it as a heartbeat; a second line, added at the end, says how the attempt ended. On the owner's machine the lock shows at
once whether the owner is alive. From another machine, or without locks, the owner of an attempt that was not touched
for `LEASE_S`, by the file system's clock, counts as dead.
"""

import fcntl
import itertools
import json
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from scaling_harness.execution.intervals import seconds
from scaling_harness.record.atomic_files import explain_os_errors, parse_json
from scaling_harness.record.store import Store

LEASE_S = seconds("SCALING_HARNESS_LEASE_S", 240.0)
"""Well above the time for which a network file system may cache attributes (60 s); the same for all workers of a
store."""
HEARTBEAT_S = LEASE_S / 5

LOG_VARIABLE = "SCALING_HARNESS_LOG"
"""Environment variable by which a supervisor tells a worker which file its output goes to."""

_NAME = re.compile(r"attempt-(\d+)\.json")
_Line = TypeVar("_Line", "Attempt", "End")


@dataclass(frozen=True)
class Attempt:
    """Which process started to train a run, and from which checkpoint."""

    host: str
    kernel: str
    """Identifier of the running kernel: processes see each other's file locks if they share it."""
    pid: int
    job_id: str
    started: str
    locked: bool
    """Whether the owner got the lock, so that the lock can be trusted."""
    checkpoint_mtime_ns: int | None
    """Modification time of the job's checkpoint at the start; None if there was none."""
    log: str | None = None
    """File that its process prints to; None for a terminal."""
    n_runs: int = 1
    """Number of runs that it trains together."""


Ending = Literal["completed", "diverged", "failed", "out_of_memory", "gave_up", "died", "interrupted"]
_FRESH = ("completed", "diverged", "gave_up")
"""Endings after which earlier failures no longer count."""


@dataclass(frozen=True)
class End:
    """How an attempt ended; `gave_up` if it was the last one allowed."""

    outcome: Ending
    reason: str | None = None
    seconds: float | None = field(default=None, compare=False)
    """Duration of the attempt; None if its owner could not write it."""


def attempt_numbers(directory: Path) -> list[int]:
    """Numbers of the attempts at a run, in increasing order."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def read_attempt(directory: Path, number: int) -> Attempt | None:
    """Read one attempt; None if its owner died or ran out of disk while writing it."""
    return _parse(_lines(attempt_path(directory, number))[0], Attempt)


def read_end(directory: Path, number: int) -> End | None:
    """Read how an attempt ended; None if no end, or only a part of it, was written."""
    return _parse(_lines(attempt_path(directory, number))[-1], End)


def add_end(descriptor: int, end: End) -> None:
    """Append its end to the open file of an attempt. Not synced: a lost end reads as a death, which is safe."""
    os.write(descriptor, b"\n" + json.dumps(vars(end)).encode())


def is_alive(directory: Path, number: int, lease_s: float = LEASE_S) -> bool:
    """Whether an attempt has no end yet and its owner still works on it."""
    path = attempt_path(directory, number)
    lines = _lines(path)
    if len(lines) > 1 and _parse(lines[-1], End):
        return False
    attempt = _parse(lines[0], Attempt)
    try:
        if attempt is not None and attempt.locked and attempt.kernel == kernel_id():
            return _is_locked(path)
        touched = path.stat().st_mtime
    except FileNotFoundError:
        return False
    return _clock(directory) - touched < lease_s


def counted_failures(directory: Path) -> list[End]:
    """List the ends of the past attempts that count towards `max_attempts`, oldest first.

    An attempt that failed or ran out of memory counts; one that died counts unless the checkpoint had advanced by the
    start of the next; an interrupted one never does. Attempts before a result, or before the run was given up, no
    longer count, so that deleting a record gives a run all its attempts again.

    Parameters
    ----------
    directory : Path
        Folder of a run whose newest attempt is the caller's own.

    Returns
    -------
    list of End
    """
    numbers = attempt_numbers(directory)
    ends: list[End] = []
    for number, following in itertools.pairwise(numbers):
        end = read_end(directory, number) or _unseen_death(read_attempt(directory, number))
        if end.outcome in _FRESH:
            ends = []
        elif end.outcome in ("failed", "out_of_memory") or (
            end.outcome == "died" and not _advanced(directory, number, following)
        ):
            ends.append(end)
    return ends


def out_of_memory_end(directory: Path) -> End | None:
    """Last end for want of memory, of the attempts that count towards `max_attempts`."""
    ends = [end for number in attempt_numbers(directory) if (end := read_end(directory, number))]
    counted = itertools.takewhile(lambda end: end.outcome not in _FRESH, reversed(ends))
    return next((end for end in counted if end.outcome == "out_of_memory"), None)


def spent_seconds(directory: Path, numbers: Iterable[int]) -> float:
    """Sum the durations of ended attempts, in seconds.

    Parameters
    ----------
    directory : Path
        Folder of a run.
    numbers : iterable of int
        Numbers of the attempts.

    Returns
    -------
    float
        The run's share if several were trained together. An attempt without a written duration counts up to its last
        heartbeat.
    """
    return sum(_seconds(directory, number) for number in numbers)


def record_death(run_ids: Iterable[str], store: Store, pid: int, end: End) -> None:
    """Write the end of attempts whose process, a child of the caller, died before it could do so.

    Parameters
    ----------
    run_ids : iterable of str
        Runs that the process may have been training.
    store : Store
        Store of the runs.
    pid : int
        Process id of the dead child.
    end : End
        How it died, as its parent saw.
    """
    for run_id in run_ids:
        directory = store.run_dir(run_id)
        for number in attempt_numbers(directory)[-2:]:
            attempt = read_attempt(directory, number)
            is_childs = attempt is not None and (attempt.pid, attempt.kernel) == (pid, kernel_id())
            if is_childs and read_end(directory, number) is None:
                with explain_os_errors(directory), attempt_path(directory, number).open("ab") as file:
                    add_end(file.fileno(), end)


def lock(descriptor: int, kind: int) -> bool:
    """Try `flock`; False if another process holds the lock, or the file system has no locks."""
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        return False
    return True


@cache
def kernel_id() -> str:
    """Identify the running kernel by its boot id, or by the host's name if it has none.

    `SCALING_HARNESS_KERNEL` overrides it, for clones of one booted machine, which share a boot id.
    """
    if name := os.environ.get("SCALING_HARNESS_KERNEL"):
        return name
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def attempt_path(directory: Path, number: int) -> Path:
    """Path of the file of an attempt."""
    return directory / f"attempt-{number:04d}.json"


def _unseen_death(attempt: Attempt | None) -> End:
    where = f"on {attempt.host}, process {attempt.pid}" if attempt else "while it was being claimed"
    return End("died", f"died without an error message {where}: killed, out of memory, or the machine went down")


def _seconds(directory: Path, number: int) -> float:
    attempt, end = read_attempt(directory, number), read_end(directory, number)
    if attempt is None:
        return 0.0
    if end is not None and end.seconds is not None:
        return end.seconds / attempt.n_runs
    touched = attempt_path(directory, number).stat().st_mtime
    return max(0.0, touched - datetime.fromisoformat(attempt.started).timestamp()) / attempt.n_runs


def _advanced(directory: Path, number: int, following: int) -> bool:
    attempt, after = read_attempt(directory, number), read_attempt(directory, following)
    if attempt is None or after is None or attempt.job_id != after.job_id or after.checkpoint_mtime_ns is None:
        return False
    return attempt.checkpoint_mtime_ns != after.checkpoint_mtime_ns


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Shared, so that two processes that test it at once do not mistake each other for the owner.
        return not lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _clock(directory: Path) -> float:
    """Time of day by the file system's clock, or by ours if the directory is read-only."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _lines(path: Path) -> list[bytes]:
    """One line, or two if the attempt ended; one empty line if there is no such file."""
    try:
        return path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [b""]


def _parse(line: bytes, schema: type[_Line]) -> _Line | None:
    try:
        document: Any = parse_json(line)
        return schema(**document)
    except (ValueError, TypeError):
        return None
