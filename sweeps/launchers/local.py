"""The local launcher: train with the workers of this machine, and show them until the sweep is done."""

import dataclasses
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.execution.execute import TRAINER
from scaling_harness.execution.signals import stop_on_signals
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.finished import mirror
from scaling_harness.wandb_mirror.follow import following
from sweeps.config import LocalLauncherConfig, n_workers
from sweeps.planning.manifest import LOGS, Manifest
from sweeps.status.live_table import LiveTable
from sweeps.status.run_status import FINISHED, RunStatus, status
from sweeps.timing.cost import check_sentence, compare_with_probe
from sweeps.timing.probe import Probe, run_probe
from sweeps.workers.supervise import Pool, supervise, worker_command


@dataclass(frozen=True)
class Summary:
    """Counts of a sweep's runs after a launch."""

    n_runs: int
    n_done: int
    n_diverged: int
    n_failed: int
    n_left: int
    n_trained: int
    """Number of runs that finished during this launch, including diverged and failed ones."""
    interrupted: bool


class LocalLauncher:
    """Train with the workers of this machine until every run is done; see `protocol.Launcher`."""

    waits: ClassVar[bool] = True

    def __init__(self, config: LocalLauncherConfig) -> None:
        self._config = config

    def check(self, manifest: Manifest) -> None:
        """Check nothing: only this machine is needed."""

    def start(self, manifest: Manifest, store: Store) -> bool:
        """Train what is left of the sweep, mirror it, and compare its time with the probe's estimate."""
        with following(manifest.runs, store, manifest.wandb, manifest.name):
            summary = run_sweep(manifest, store, manifest.runtime)
        if summary.interrupted:
            return False
        if not manifest.wandb.live:
            mirror((run.run_id for run in manifest.runs), store, manifest.wandb, manifest.name)
        if finished := compare_with_probe(store.sweep_dir(manifest.name), manifest.jobs, store):
            print(check_sentence(finished))
        if summary.n_failed:
            raise HarnessError(
                f"{summary.n_failed} runs failed; `scaling-harness sweep status {manifest.name}` says why"
            )
        return True

    def probe(self, folder: Path, runtime: RuntimeConfig) -> Probe:
        """Time the steps on this machine."""
        return run_probe(folder, self._config.runs_at_once(runtime))

    @staticmethod
    def cancel(sweep_dir: Path, force: bool) -> bool:  # noqa: ARG004
        """Do nothing: workers of this machine exit by themselves when the sweep is cancelled, as their runs show."""
        return False


def run_sweep(
    manifest: Manifest,
    store: Store,
    runtime: RuntimeConfig,
    console: Console | None = None,
    train: str = TRAINER,
) -> Summary:
    """Train what is left of a sweep with the workers of this machine, and show its progress.

    Parameters
    ----------
    manifest : Manifest
        The sweep, already written to the store.
    store : Store
        Where the runs are stored.
    runtime : RuntimeConfig
        `workers` processes of `threads` threads each; by default enough to use all cores.
    console : rich.console.Console, optional
        Console to print on; default: stderr.
    train : str
        `module:function` that trains, in place of `trainer.train`.

    Returns
    -------
    Summary
        Also after an interrupt: the workers have saved their runs, and another launch resumes them.

    Raises
    ------
    UserError, HarnessError
        The store cannot be written, or workers die without finishing any run.
    """
    manifest = dataclasses.replace(manifest, runtime=runtime)
    console = console or Console(stderr=True)
    rows = status(manifest.jobs, store)
    before = _n_finished(rows)
    n_open = sum(not all(store.is_finished(run.run_id) for run in job.runs) for job in manifest.jobs)
    environments = [{} for _ in range(min(n_workers(runtime), n_open))]
    sweep_dir = store.sweep_dir(manifest.name)
    log = sweep_dir / LOGS / f"{socket.gethostname()}-{os.getpid()}"
    pool = Pool(worker_command(sweep_dir, runtime, train), runtime.threads, log, environments)

    # A second interrupt raises KeyboardInterrupt here, and the pool kills its workers.
    with stop_on_signals() as stop, LiveTable(manifest.jobs, console) as table, pool.stopping_all():
        pool.start_all()
        screen = _Screen(table, manifest, store, rows)
        interrupted = supervise(pool, manifest, store, stop, screen.update)
    summary = _summarise(screen.rows, before, interrupted)
    if summary.interrupted:
        done = summary.n_runs - summary.n_left
        console.print(f"stopped: {done} of {summary.n_runs} runs are done; the same command continues from here")
    return summary


class _Screen:
    """Keeps the status of the runs up to date, and shows it."""

    def __init__(self, table: LiveTable, manifest: Manifest, store: Store, rows: tuple[RunStatus, ...]) -> None:
        self._table, self._manifest, self._store = table, manifest, store
        self._stopping = False
        self.rows = rows

    def update(self, stopping: bool) -> None:
        if stopping and not self._stopping:
            self._table.say("stopping: workers save their runs; interrupt again to kill them")
        self._stopping = stopping
        self.rows = status(self._manifest.jobs, self._store, self.rows)
        self._table.show(self.rows)


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
