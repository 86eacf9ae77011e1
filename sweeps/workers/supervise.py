"""Worker processes of one machine: started, restarted where they die, told to stop. What they do is in the store."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.execution.attempts import LOG_VARIABLE, End, bury
from scaling_harness.execution.intervals import poll_s
from scaling_harness.record.atomic_files import explain_os_errors
from scaling_harness.record.store import Store
from scaling_harness.training.memory import kernel_kills
from sweeps.planning.manifest import CANCELLED, Manifest
from sweeps.workers.hang_detection import Hangs
from sweeps.workers.process import arguments_of
from sweeps.workers.resources import environment

POLL_S = poll_s(0.25)
_GRACE_S = 60.0
"""Time for workers told to stop: a step, an evaluation and a checkpoint."""
_LAST_BYTES = 4096
_HUNG = "killed because it hung: no step and no checkpoint for longer than runtime.hang_s"


@dataclass(frozen=True)
class _Worker:
    slot: int
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int


@dataclass(frozen=True)
class Exit:
    """A worker that ended."""

    slot: int
    pid: int
    code: int
    said: str
    """The last line of its output."""


class Pool:
    """Worker processes, one a slot.

    Parameters
    ----------
    command : sequence of str
        Starts a worker.
    threads : int
        Of a worker's numerical libraries.
    log : Path
        Beginning of the names of the files that their output goes to.
    environments : sequence of mapping
        For each slot, what its worker's environment has besides; see `slots.share_devices`.
    """

    def __init__(
        self, command: Sequence[str], threads: int, log: Path, environments: Sequence[Mapping[str, str]]
    ) -> None:
        self._command, self._log, self._environments = command, log, environments
        self._common = environment(threads)
        self._workers: list[_Worker] = []

    def __len__(self) -> int:
        return len(self._workers)

    def start(self, slot: int) -> None:
        """Start a worker, in a session of its own: a Ctrl-C reaches the launcher alone, which passes it on."""
        path = self._log.with_name(f"{self._log.name}.{slot}.out")
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("ab")
        with file:
            process = subprocess.Popen(
                self._command,
                env={**self._common, **self._environments[slot], LOG_VARIABLE: str(path)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            self._workers.append(_Worker(slot, process, path, file.tell()))

    def start_all(self) -> None:
        """Start a worker in every slot."""
        for slot in range(len(self._environments)):
            self.start(slot)

    def reap(self) -> Iterator[Exit]:
        """Forget those that ended."""
        for worker in list(self._workers):
            if worker.process.poll() is not None:
                self._workers.remove(worker)
                said = _last_line(worker.log, worker.log_start)
                yield Exit(worker.slot, worker.process.pid, worker.process.returncode, said)

    @property
    def pids(self) -> set[int]:
        """Processes of the workers."""
        return {worker.process.pid for worker in self._workers}

    def kill(self, pid: int) -> None:
        """Kill one."""
        for worker in self._workers:
            if worker.process.pid == pid:
                worker.process.kill()

    def terminate(self) -> None:
        """Ask all to save and leave."""
        for worker in self._workers:
            worker.process.terminate()

    @contextlib.contextmanager
    def ended(self) -> Iterator[None]:
        """Leave no worker behind: on an error they are asked to leave, on a second interrupt killed."""
        try:
            yield
        except Exception:
            self.terminate()
            deadline = time.monotonic() + _GRACE_S
            while self._workers and time.monotonic() < deadline:
                list(self.reap())
                time.sleep(POLL_S)
            raise
        finally:
            for worker in self._workers:
                worker.process.kill()
                worker.process.wait()
            list(self.reap())


def worker_command(sweep_dir: Path, runtime: RuntimeConfig, train: str) -> list[str]:
    """Words that start a worker of this process; see `sweeps.workers.worker`."""
    parent = ["--parent", str(os.getpid())]
    return [sys.executable, "-m", "sweeps.workers.worker", *arguments_of(sweep_dir, runtime, train), *parent]


def supervise(
    pool: Pool, manifest: Manifest, store: Store, stop: Callable[[], bool], look: Callable[[bool], object]
) -> bool:
    """Restart workers that die, until all have left.

    Parameters
    ----------
    pool : Pool
        Its workers run.
    manifest : Manifest
        What they train.
    store : Store
        Where the runs live.
    stop : callable
        Whether they are to save and leave, as they are too where the sweep is cancelled.
    look : callable
        Called several times a second, with whether they were told to leave.

    Returns
    -------
    bool
        Whether they were.

    Raises
    ------
    UserError, HarnessError
        What keeps a worker from working, or workers die without having done anything.
    """
    allowed = len(pool) * manifest.runtime.max_attempts
    cancelled = store.sweep_dir(manifest.name) / CANCELLED
    told, deaths, n_left, kills = False, 0, len(manifest.runs), kernel_kills()
    hangs, hung = Hangs([run.run_id for run in manifest.runs], store), set()
    while len(pool):
        for pid in hangs.find(pool.pids):
            pool.kill(pid)
            hung.add(pid)
        if not told and (stop() or cancelled.exists()):
            told = True
            pool.terminate()
        for worker in pool.reap():
            if told or not worker.code:
                continue
            _check_exit(worker)
            left = [run.run_id for run in manifest.runs if not store.is_finished(run.run_id)]
            bury(left, store, worker.pid, End("died", _HUNG) if worker.pid in hung else _end(worker.code, kills))
            kills = kernel_kills()
            deaths = deaths + 1 if len(left) == n_left else 1
            n_left = len(left)
            if deaths > allowed:
                raise HarnessError(f"{deaths} workers died one after another, the last {exit_sentence(worker.code)}")
            pool.start(worker.slot)
        look(told)
        time.sleep(POLL_S if len(pool) else 0.0)
    return told


def _check_exit(worker: Exit) -> None:
    """Raise what a worker reported; nothing where a signal ended it, or the training did."""
    if worker.code in (HarnessError.exit_code, UserError.exit_code):
        sentence = worker.said or f"a worker ended with exit code {worker.code} and said nothing"
        raise UserError(sentence) if worker.code == UserError.exit_code else HarnessError(sentence)


def _end(code: int, kills: int) -> End:
    """How a worker ended that said nothing itself; `kills` are the kernel's for want of memory before."""
    if code == -signal.SIGKILL and kernel_kills() > kills:
        return End("out_of_memory", "killed by the kernel for want of memory")
    return End("died", exit_sentence(code))


def exit_sentence(code: int) -> str:
    """Say how a process ended, by its exit code as `subprocess` has it."""
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (out of memory, or kill -9)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def _last_line(path: Path, start: int) -> str:
    """Last line of a file that says something, behind a position."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
