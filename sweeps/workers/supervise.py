"""Start the worker processes of one machine, restart those that die, and stop them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.execution.attempts import LOG_VARIABLE, End, record_death
from scaling_harness.execution.intervals import poll_s
from scaling_harness.record.atomic_files import explain_os_errors
from scaling_harness.record.store import Store
from scaling_harness.training.memory import oom_kill_count
from sweeps.planning.manifest import CANCELLED, Manifest
from sweeps.workers.hang_detection import HangDetector
from sweeps.workers.process import arguments_of
from sweeps.workers.resources import environment

POLL_S = poll_s(0.25)
_GRACE_S = 60.0
"""Time that workers have to stop: enough for a step, an evaluation and a checkpoint."""
_LAST_BYTES = 4096
FULL_BYTES = 1_000_000  # a disk with less free counts as full
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
    last_line: str
    """Last non-empty line of its output."""


class Pool:
    """Worker processes, one per slot.

    Parameters
    ----------
    command : sequence of str
        Command that starts a worker.
    threads : int
        Number of threads of a worker's numerical libraries.
    log : Path
        Prefix of the paths of their output files.
    environments : sequence of mapping
        Further environment variables of the worker in each slot; see `resources.share_devices`.
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
        """Start a worker in a session of its own, so that Ctrl-C reaches only the launcher, which passes it on."""
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
        """Remove and yield the workers that ended."""
        for worker in list(self._workers):
            if worker.process.poll() is not None:
                self._workers.remove(worker)
                last_line = _last_line(worker.log, worker.log_start)
                yield Exit(worker.slot, worker.process.pid, worker.process.returncode, last_line)

    @property
    def pids(self) -> set[int]:
        """Process ids of the workers."""
        return {worker.process.pid for worker in self._workers}

    def kill(self, pid: int) -> None:
        """Kill the worker with this process id."""
        for worker in self._workers:
            if worker.process.pid == pid:
                worker.process.kill()

    def terminate(self) -> None:
        """Ask all workers to save and exit."""
        for worker in self._workers:
            worker.process.terminate()

    @contextlib.contextmanager
    def stopping_all(self) -> Iterator[None]:
        """Stop all workers at the end of the block: asked to save on an error, killed on a second interrupt."""
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
    """Return the command that starts a worker of this process; see `sweeps.workers.worker`."""
    parent = ["--parent", str(os.getpid())]
    return [sys.executable, "-m", "sweeps.workers.worker", *arguments_of(sweep_dir, runtime, train), *parent]


def supervise(
    pool: Pool, manifest: Manifest, store: Store, stop: Callable[[], bool], on_poll: Callable[[bool], object]
) -> bool:
    """Restart workers that die, until all have exited.

    Parameters
    ----------
    pool : Pool
        Running workers.
    manifest : Manifest
        The sweep that they train.
    store : Store
        Where the runs are stored.
    stop : callable
        Returns whether the workers should save and exit; they do so as well if the sweep is cancelled.
    on_poll : callable
        Called several times a second with whether the workers were told to stop.

    Returns
    -------
    bool
        Whether the workers were told to stop.

    Raises
    ------
    UserError, HarnessError
        A worker cannot work, or workers die without finishing any run.
    """
    allowed = len(pool) * manifest.runtime.max_attempts
    cancelled = store.sweep_dir(manifest.name) / CANCELLED
    stopping, deaths, n_left, kills = False, 0, len(manifest.runs), oom_kill_count()
    hangs, hung = HangDetector([run.run_id for run in manifest.runs], store), set()
    while len(pool):
        for pid in hangs.find(pool.pids):
            pool.kill(pid)
            hung.add(pid)
        if not stopping and (stop() or cancelled.exists()):
            stopping = True
            pool.terminate()
        for worker in pool.reap():
            if stopping or not worker.code:
                continue
            _check_exit(worker, store.runs_dir)
            left = [run.run_id for run in manifest.runs if not store.is_finished(run.run_id)]
            record_death(
                left, store, worker.pid, End("died", _HUNG) if worker.pid in hung else _end(worker.code, kills)
            )
            kills = oom_kill_count()
            deaths = deaths + 1 if len(left) == n_left else 1
            n_left = len(left)
            if deaths > allowed:
                raise HarnessError(f"{deaths} workers died one after another, the last {exit_sentence(worker.code)}")
            pool.start(worker.slot)
        on_poll(stopping)
        time.sleep(POLL_S if len(pool) else 0.0)
    return stopping


def _check_exit(worker: Exit, folder: Path) -> None:
    """Raise the error that a worker reported; return if a signal or the training ended it."""
    if worker.code in (HarnessError.exit_code, UserError.exit_code):
        sentence = worker.last_line or _unsaid(worker.code, folder)
        raise UserError(sentence) if worker.code == UserError.exit_code else HarnessError(sentence)


def _unsaid(code: int, folder: Path) -> str:
    """Why a worker ended without a word in its log: most likely the disk is full, and the log is on it too."""
    if shutil.disk_usage(folder).free < FULL_BYTES:
        return f"the disk holding {folder} is full; free some space and start again: nothing is lost"
    return f"a worker ended with exit code {code} and printed no reason"


def _end(code: int, kills: int) -> End:
    """Say how a worker ended that reported nothing; `kills` is the kernel's earlier count of out-of-memory kills."""
    if code == -signal.SIGKILL and oom_kill_count() > kills:
        return End("out_of_memory", "out of memory: killed by the kernel")
    return End("died", exit_sentence(code))


def exit_sentence(code: int) -> str:
    """Say how a process ended, from its `subprocess` return code."""
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = " (out of memory, or kill -9)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def _last_line(path: Path, start: int) -> str:
    """Read the last non-empty line of a file after a position."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
