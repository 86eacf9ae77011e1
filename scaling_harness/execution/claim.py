"""Claim a job before training it: every run of it by a numbered attempt, or none; see `attempts`."""

import contextlib
import dataclasses
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from scaling_harness.errors import HarnessError
from scaling_harness.execution.attempts import (
    HEARTBEAT_S,
    LEASE_S,
    LOG_VARIABLE,
    Attempt,
    End,
    Ending,
    add_end,
    attempt_numbers,
    attempt_path,
    is_alive,
    kernel_id,
    lock,
)
from scaling_harness.record.atomic_files import explain_os_errors
from scaling_harness.record.provenance import now
from scaling_harness.record.store import Store
from scaling_harness.training.oversight import ClaimLost


class Died(HarnessError):
    """The training process was killed, or ended without an error message; its worker is still alive."""


class Claim:
    """Runs that this process alone may train; made by `claim_job`."""

    def __init__(self) -> None:
        self._held: list[tuple[Path, int, int]] = []
        self._began = self._last_progress = time.monotonic()

    def renew_lease(self) -> None:
        """Touch the attempts. A failed write is ignored here: `confirm` finds out whether the claim was lost by it."""
        for _, _, descriptor in self._held:
            with contextlib.suppress(OSError):
                os.utime(descriptor)

    def note_progress(self) -> None:
        """Note that training made progress; see `heartbeat`."""
        self._last_progress = time.monotonic()

    @contextlib.contextmanager
    def heartbeat(self, hang_s: float) -> Iterator[None]:
        """Renew the lease from a thread, because a step, an evaluation or a compilation may take longer than it lasts.

        Parameters
        ----------
        hang_s : float
            Stop renewing the lease after this many seconds without progress, so that another process takes over.
        """
        done = threading.Event()

        def renew_until_done() -> None:
            while not done.wait(HEARTBEAT_S):
                if time.monotonic() - self._last_progress <= hang_s:
                    self.renew_lease()

        thread = threading.Thread(target=renew_until_done, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def confirm(self) -> None:
        """Check that no newer attempt exists.

        Raises
        ------
        ClaimLost
            A newer one exists, or the run's folder is gone.
        """
        self.note_progress()
        self.renew_lease()
        for directory, number, _ in self._held:
            newest = max(attempt_numbers(directory), default=0)
            if newest != number:
                raise ClaimLost(f"attempt {number} at {directory.name} was overtaken by attempt {newest}")

    def end(self, outcome: Ending, reason: str | None = None) -> None:
        """Write how the attempts ended, and release the runs.

        Raises
        ------
        UserError, HarnessError
            It could not be written; the runs are released all the same.
        """
        end = End(outcome, reason, round(time.monotonic() - self._began, 3))
        try:
            for directory, _, descriptor in self._held:
                with explain_os_errors(directory):
                    add_end(descriptor, end)
        finally:
            for _, _, descriptor in self._held:
                os.close(descriptor)
            self._held = []

    def create_attempt(self, directory: Path, number: int, attempt: Attempt) -> bool:
        """Create the file of an attempt; False if another process was first."""
        path = attempt_path(directory, number)
        with explain_os_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                return False
            try:
                # Locked before it is written: an attempt that is readable and not locked has a dead owner.
                locked = dataclasses.replace(attempt, locked=lock(descriptor, fcntl.LOCK_EX))
                os.write(descriptor, json.dumps(vars(locked)).encode())
            except OSError:
                path.unlink()
                os.close(descriptor)
                raise
        self._held.append((directory, number, descriptor))
        return True


def claim_job(job_id: str, run_ids: Iterable[str], store: Store, lease_s: float = LEASE_S) -> Claim | None:
    """Claim every run of a job, or none.

    Parameters
    ----------
    job_id : str
        Name of the checkpoint that an attempt starts from.
    run_ids : iterable of str
        Runs without a record.
    store : Store
        Store of the runs.
    lease_s : float
        Seconds without a heartbeat after which an owner whose lock cannot be tested counts as dead.

    Returns
    -------
    Claim or None
        None if another process holds one of the runs.

    Raises
    ------
    UserError, HarnessError
        The store cannot be written.
    """
    directories = [store.run_dir(run_id) for run_id in sorted(run_ids)]
    numbers: list[int] = []
    for directory in directories:
        number = _free_number(directory, lease_s)
        if number is None:
            return None
        numbers.append(number)
    attempt = Attempt(
        host=socket.gethostname(),
        kernel=kernel_id(),
        pid=os.getpid(),
        job_id=job_id,
        started=now(),
        locked=False,
        checkpoint_mtime_ns=_mtime_ns(store.checkpoint_path(job_id)),
        log=os.environ.get(LOG_VARIABLE),
        n_runs=len(directories),
    )
    claim = Claim()
    try:
        if all(claim.create_attempt(directory, n, attempt) for directory, n in zip(directories, numbers, strict=True)):
            return claim
    except HarnessError:
        with contextlib.suppress(HarnessError):
            claim.end("interrupted", "the store could not be written")
        raise
    claim.end("interrupted", "another process holds a run of this job")
    return None


def is_held(run_ids: Iterable[str], store: Store) -> bool:
    """Whether another process holds one of the runs; nothing is written."""
    return any(_free_number(store.run_dir(run_id), LEASE_S) is None for run_id in run_ids)


def _free_number(directory: Path, lease_s: float) -> int | None:
    """Number of the next attempt, or None while the owner of the newest one is alive."""
    newest = max(attempt_numbers(directory), default=0)
    if newest and is_alive(directory, newest, lease_s):
        return None
    return newest + 1


def _mtime_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None
