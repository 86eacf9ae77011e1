"""Worker processes of one machine, started, watched and stopped. What they do is in the store, not in pipes."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console

from scaling_harness.attempts import bury
from scaling_harness.config import RuntimeConfig
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.execute import TRAINER
from scaling_harness.stop import Stop, stop_on_signals
from scaling_harness.store import Store
from sweeps.estimate import n_workers
from sweeps.manifest import Manifest
from sweeps.progress import Progress
from sweeps.status import FINISHED, RunStatus, status

_POLL_S = 0.25
_GRACE_S = 60.0
"""Time for workers told to stop: a step, an evaluation and a checkpoint."""


@dataclass(frozen=True)
class Summary:
    """A sweep after a launch."""

    n_runs: int
    n_done: int
    n_diverged: int
    n_failed: int
    n_left: int
    n_trained: int
    """Runs that were finished, in whatever way, during this launch."""
    interrupted: bool


def run_sweep(
    manifest: Manifest,
    store: Store,
    runtime: RuntimeConfig,
    console: Console | None = None,
    train: str = TRAINER,
) -> Summary:
    """Train what is left of a sweep with all cores, and show it.

    Parameters
    ----------
    manifest : Manifest
        Written to the store before.
    store : Store
        Where the runs live.
    runtime : RuntimeConfig
        `workers` processes of `threads` threads each; by default as many as there are cores.
    console : rich.console.Console, optional
        Default: stderr.
    train : str
        `module:function`, instead of `trainer.train`.

    Returns
    -------
    Summary
        Also after an interrupt: the workers have saved their runs, and another launch goes on from there.

    Raises
    ------
    UserError, HarnessError
        The store cannot be written, or workers die without having done anything.
    """
    manifest = dataclasses.replace(manifest, runtime=runtime)
    console = console or Console(stderr=True)
    rows = status(manifest.jobs, store)
    before = _n_finished(rows)
    n_open = sum(not all(store.is_finished(run.run_id) for run in job.runs) for job in manifest.jobs)
    pool = _Pool(_command(manifest, store, train), runtime.threads)
    # The second interrupt is Python's own: it ends the loop, and the pool kills what it holds.
    with stop_on_signals() as stop, Progress(manifest.jobs, console) as progress, pool.ended():
        for _ in range(min(n_workers(runtime), n_open)):
            pool.start()
        rows = _watch(pool, manifest, store, stop, progress, rows)
    summary = _summarise(rows, before, stop.requested)
    if summary.interrupted:
        done = summary.n_runs - summary.n_left
        console.print(f"stopped: {done} of {summary.n_runs} runs are done; the same command goes on from here")
    return summary


class _Pool:
    """Worker processes, and what they said on stderr."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        self._command = command
        numbers = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        # What can be imported here can be imported there: a user's own architecture, for one.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._environment = {**os.environ, **numbers, "PYTHONPATH": path}
        self._workers: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []

    def __len__(self) -> int:
        return len(self._workers)

    def start(self) -> None:
        """Start one more, in a session of its own: a Ctrl-C reaches the launcher alone, which passes it on."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `reap`)
        process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
        self._workers.append((process, errors))

    def reap(self) -> Iterator[tuple[int, int, str]]:
        """Forget those that ended: process id, exit code, last line on stderr."""
        for worker in list(self._workers):
            process, errors = worker
            if process.poll() is not None:
                self._workers.remove(worker)
                with errors:
                    errors.seek(0)
                    lines = errors.read().decode(errors="replace").split("\n")
                last = next((line.strip() for line in reversed(lines) if line.strip()), "")
                yield process.pid, process.returncode, last

    def terminate(self) -> None:
        """Ask all to save and leave."""
        for process, _ in self._workers:
            process.terminate()

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
                time.sleep(_POLL_S)
            raise
        finally:
            for process, _ in self._workers:
                process.kill()
                process.wait()
            list(self.reap())


def _watch(
    pool: _Pool, manifest: Manifest, store: Store, stop: Stop, progress: Progress, rows: tuple[RunStatus, ...]
) -> tuple[RunStatus, ...]:
    """Show, restart and stop workers until none is left; the last look at the runs."""
    told = False
    deaths, finished = 0, _n_finished(rows)
    allowed = len(pool) * manifest.runtime.max_attempts
    while len(pool):
        if stop() and not told:
            told = True
            pool.terminate()
            progress.say("stopping: workers save their runs; interrupt again to kill them")
        for pid, code, said in pool.reap():
            if told or not code:
                continue
            _check_exit(code, said)
            bury((row.run_id for row in rows if row.state not in FINISHED), store, pid, _signal_sentence(code))
            deaths += 1
            if deaths > allowed:
                raise HarnessError(f"{deaths} workers died one after another, the last {_signal_sentence(code)}")
            pool.start()
        rows = status(manifest.jobs, store, rows)
        if _n_finished(rows) > finished:
            deaths, finished = 0, _n_finished(rows)
        progress.show(rows)
        time.sleep(_POLL_S if len(pool) else 0.0)
    return rows


def _check_exit(code: int, said: str) -> None:
    """Raise what a worker reported; nothing where a signal ended it."""
    if code > 0:
        sentence = said or f"a worker ended with exit code {code} and said nothing"
        raise UserError(sentence) if code == UserError.exit_code else HarnessError(sentence)


def _signal_sentence(code: int) -> str:
    name = signal.Signals(-code).name
    hint = " (out of memory, or kill -9)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def _command(manifest: Manifest, store: Store, train: str) -> list[str]:
    sweep_dir = Path(store.sweep_dir(manifest.name))
    settings = json.dumps(dataclasses.asdict(manifest.runtime))
    options = ["--runtime", settings, "--parent", str(os.getpid()), "--train", train]
    return [sys.executable, "-m", "sweeps.worker", str(sweep_dir), *options]


def _n_finished(rows: Sequence[RunStatus]) -> int:
    return sum(row.state in FINISHED for row in rows)


def _summarise(rows: Sequence[RunStatus], n_finished_before: int, interrupted: bool) -> Summary:
    counts = {state: sum(row.state == state for row in rows) for state in FINISHED}
    n_finished = sum(counts.values())
    return Summary(
        n_runs=len(rows),
        n_done=counts["done"],
        n_diverged=counts["diverged"],
        n_failed=counts["failed"],
        n_left=len(rows) - n_finished,
        n_trained=n_finished - n_finished_before,
        interrupted=interrupted,
    )
