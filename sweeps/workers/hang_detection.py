"""Detect workers whose heartbeat stopped because their training makes no progress; the supervisor kills them."""

import os
import time
from collections.abc import Collection, Iterator, Sequence

from scaling_harness.execution.attempts import (
    HEARTBEAT_S,
    LEASE_S,
    attempt_numbers,
    attempt_path,
    kernel_id,
    read_attempt,
    read_end,
)
from scaling_harness.record.store import Store


class HangDetector:
    """Check the attempts of some workers of this machine, once per heartbeat interval.

    Parameters
    ----------
    run_ids : sequence of str
        Runs that they may train.
    store : Store
        Where the runs are stored.
    """

    def __init__(self, run_ids: Sequence[str], store: Store) -> None:
        self._run_ids, self._store = run_ids, store
        self._next_check = 0.0
        self._last_seen: dict[int, tuple[int, float]] = {}

    def find(self, pids: Collection[int]) -> list[int]:
        """Find the workers whose attempt had no heartbeat for longer than a lease.

        The time since a heartbeat is measured by this process's monotonic clock, which stops while the machine sleeps,
        as heartbeats do.
        """
        now = time.monotonic()
        if now < self._next_check:
            return []
        self._next_check = now + HEARTBEAT_S
        heartbeats = dict(self._heartbeats(pids))
        self._last_seen = {
            pid: before if (before := self._last_seen.get(pid)) and before[0] == heartbeat else (heartbeat, now)
            for pid, heartbeat in heartbeats.items()
        }
        return [pid for pid, (_, since) in self._last_seen.items() if now - since > LEASE_S]

    def _heartbeats(self, pids: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield each worker that has a running attempt, and its last heartbeat by the file system's clock."""
        folder = self._store.run_dir("x").parent
        begun = set(os.listdir(folder)) if folder.is_dir() else set()
        for run_id in self._run_ids:
            if run_id in begun and not self._store.is_finished(run_id):
                directory = self._store.run_dir(run_id)
                # The newest attempt may belong to another worker, which took over when the lease expired.
                for number in attempt_numbers(directory)[-2:]:
                    attempt = read_attempt(directory, number)
                    mine = attempt is not None and attempt.pid in pids and attempt.kernel == kernel_id()
                    if attempt and mine and read_end(directory, number) is None:
                        yield attempt.pid, attempt_path(directory, number).stat().st_mtime_ns
