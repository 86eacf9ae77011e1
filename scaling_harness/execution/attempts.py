"""The attempts at a run, as files in its folder: who tried, who still tries, how it ended. No torch.

`attempt-0001.json` is made with O_EXCL and its number is a fencing token; its owner holds a lock on it and touches it
as a heartbeat; a second line, added later, says how it ended. On the owner's machine the lock tells at once whether the
owner lives; from another, or without locks, an attempt not touched for `LEASE_S`, by the file system's clock, is dead.
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
from scaling_harness.record.atomic_files import explain_os_errors
from scaling_harness.record.store import Store

LEASE_S = seconds("SCALING_HARNESS_LEASE_S", 240.0)
"""Well above the time that a network file system may cache attributes (60 s); the same for all workers of a store."""
HEARTBEAT_S = LEASE_S / 5

LOG_VARIABLE = "SCALING_HARNESS_LOG"
"""Environment variable in which a supervisor tells a worker the file that it prints to."""

_NAME = re.compile(r"attempt-(\d+)\.json")
_Line = TypeVar("_Line", "Attempt", "End")


@dataclass(frozen=True)
class Attempt:
    """Who started training a run, and from what."""

    host: str
    kernel: str
    """Identifies a running kernel: file locks are shared by processes that have it in common."""
    pid: int
    job_id: str
    started: str
    locked: bool
    """Whether the owner got the lock, so that the lock can be trusted."""
    checkpoint_mtime_ns: int | None
    """Age stamp of the job's checkpoint at the start; None where there was none."""
    log: str | None = None
    """File that its process prints to; None for a terminal."""
    n_runs: int = 1
    """Runs that it trains together."""


Ending = Literal["completed", "diverged", "failed", "out_of_memory", "gave_up", "died", "interrupted"]
_FRESH = ("completed", "diverged", "gave_up")
"""Endings after which whatever came before is forgotten."""


@dataclass(frozen=True)
class End:
    """How an attempt ended; `gave_up` is the last of too many."""

    outcome: Ending
    reason: str | None = None
    seconds: float | None = field(default=None, compare=False)
    """What it took; None where its owner could not say."""


def attempt_numbers(directory: Path) -> list[int]:
    """Numbers of the attempts at a run, rising."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def read_attempt(directory: Path, number: int) -> Attempt | None:
    """Read one attempt; None where its owner died or ran out of disk in the middle of writing it."""
    return _parse(_lines(attempt_path(directory, number))[0], Attempt)


def read_end(directory: Path, number: int) -> End | None:
    """Read how an attempt ended; None where nothing, or nothing whole, was written."""
    return _parse(_lines(attempt_path(directory, number))[-1], End)


def add_end(descriptor: int, end: End) -> None:
    """Add how it ended to the open file of an attempt. Not synced: a lost end reads as a death, which is safe."""
    os.write(descriptor, b"\n" + json.dumps(vars(end)).encode())


def is_alive(directory: Path, number: int, lease_s: float = LEASE_S) -> bool:
    """Whether an attempt has no end, and its owner still works on it."""
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
    """Ends of the past attempts that count against a run, oldest first.

    A failed attempt counts, for want of memory or otherwise; one that died counts unless the checkpoint had moved on by
    the next; an interrupted one never does. Whatever came before a result or a giving-up is forgotten, so that deleting
    a record starts afresh.

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


def ran_out_of_memory(directory: Path) -> bool:
    """Whether one of the attempts that count against a run ended for want of memory."""
    outcomes = [end.outcome for number in attempt_numbers(directory) if (end := read_end(directory, number))]
    counted = itertools.takewhile(lambda outcome: outcome not in _FRESH, reversed(outcomes))
    return "out_of_memory" in counted


def spent_seconds(directory: Path, numbers: Iterable[int]) -> float:
    """Sum the seconds that attempts took which have ended.

    Parameters
    ----------
    directory : Path
        Folder of a run.
    numbers : iterable of int
        Those of the attempts.

    Returns
    -------
    float
        The run's share where several were trained together. Where the owner could not say what it took, it counts to
        its last heartbeat.
    """
    return sum(_seconds(directory, number) for number in numbers)


def bury(run_ids: Iterable[str], store: Store, pid: int, end: End) -> None:
    """Write the end of attempts whose process, a child of the caller, died without a word.

    Parameters
    ----------
    run_ids : iterable of str
        Where to look.
    store : Store
        Where the runs live.
    pid : int
        The dead process.
    end : End
        What the parent saw.
    """
    for run_id in run_ids:
        directory = store.run_dir(run_id)
        for number in attempt_numbers(directory)[-2:]:
            attempt = read_attempt(directory, number)
            mine = attempt is not None and (attempt.pid, attempt.kernel) == (pid, kernel_id())
            if mine and read_end(directory, number) is None:
                with explain_os_errors(directory), attempt_path(directory, number).open("ab") as file:
                    add_end(file.fileno(), end)


def lock(descriptor: int, kind: int) -> bool:
    """Try `flock`; False where another holds the lock, or the file system has none."""
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        return False
    return True


@cache
def kernel_id() -> str:
    """Identify the running kernel: its boot id, or the host's name where it has none.

    `SCALING_HARNESS_KERNEL` overrides it, where clones of one machine were booted once and have a boot id in common.
    """
    if name := os.environ.get("SCALING_HARNESS_KERNEL"):
        return name
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def attempt_path(directory: Path, number: int) -> Path:
    """File of an attempt."""
    return directory / f"attempt-{number:04d}.json"


def _unseen_death(attempt: Attempt | None) -> End:
    where = f"on {attempt.host}, process {attempt.pid}" if attempt else "while it was being claimed"
    return End("died", f"died without a word {where}: killed, out of memory, or the machine went down")


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
        # Shared, so that two who look at once do not take each other for the owner.
        return not lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _clock(directory: Path) -> float:
    """Time of day by the file system's clock, or by ours where the directory may only be read."""
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _lines(path: Path) -> list[bytes]:
    """One line, or two where it ended; an empty one where there is no such file."""
    try:
        return path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [b""]


def _parse(line: bytes, schema: type[_Line]) -> _Line | None:
    try:
        document: Any = json.loads(line)
        return schema(**document)
    except (ValueError, TypeError):
        return None
