"""Workers that beat no more, because nothing moves in their training: found by the supervisor, which can kill them."""

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


class Hangs:
    """Looks at the attempts of some workers of this machine, one look a heartbeat.

    Parameters
    ----------
    run_ids : sequence of str
        What they may train.
    store : Store
        Where the runs live.
    """

    def __init__(self, run_ids: Sequence[str], store: Store) -> None:
        self._run_ids, self._store = run_ids, store
        self._next = 0.0
        self._changed: dict[int, tuple[int, float]] = {}

    def find(self, pids: Collection[int]) -> list[int]:
        """Find those of the workers that hold an attempt which was not touched for the length of a lease.

        That is told by this process's own watch, which stands still while the machine sleeps, as a heartbeat does.
        """
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + HEARTBEAT_S
        touched = dict(self._touched(pids))
        self._changed = {
            pid: before if (before := self._changed.get(pid)) and before[0] == beat else (beat, now)
            for pid, beat in touched.items()
        }
        return [pid for pid, (_, since) in self._changed.items() if now - since > LEASE_S]

    def _touched(self, pids: Collection[int]) -> Iterator[tuple[int, int]]:
        """Each worker that is at something, and when it last beat, by the file system's clock."""
        folder = self._store.run_dir("x").parent
        begun = set(os.listdir(folder)) if folder.is_dir() else set()
        for run_id in self._run_ids:
            if run_id in begun and not self._store.is_finished(run_id):
                directory = self._store.run_dir(run_id)
                # The newest may be another's, who took it over when the lease was over.
                for number in attempt_numbers(directory)[-2:]:
                    attempt = read_attempt(directory, number)
                    mine = attempt is not None and attempt.pid in pids and attempt.kernel == kernel_id()
                    if attempt and mine and read_end(directory, number) is None:
                        yield attempt.pid, attempt_path(directory, number).stat().st_mtime_ns
