"""The local launcher: the workers of this machine, shown on a screen until the sweep is done."""

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
from scaling_harness.wandb_mirror import mirror
from sweeps.config import LocalLauncherConfig, n_workers
from sweeps.planning.manifest import LOGS, Manifest
from sweeps.status.live_table import Progress
from sweeps.status.run_status import FINISHED, RunStatus, status
from sweeps.timing.cost import settle, verdict
from sweeps.timing.probe import Probe, probe
from sweeps.workers.supervise import Pool, supervise, worker_command


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


class LocalLauncher:
    """Trains with the workers of this machine until every run is done; see `protocol.Launcher`."""

    waits: ClassVar[bool] = True

    def __init__(self, config: LocalLauncherConfig) -> None:
        self._config = config

    def check(self, manifest: Manifest) -> None:
        """Nothing is needed but this machine."""

    def start(self, manifest: Manifest, store: Store) -> bool:
        """Train what is left of the sweep, mirror it, and compare its time with the probe's."""
        summary = run_sweep(manifest, store, manifest.runtime)
        if summary.interrupted:
            return False
        mirror((run.run_id for run in manifest.runs), store, manifest.wandb, manifest.name)
        if finished := settle(store.sweep_dir(manifest.name), manifest.jobs, store):
            print(verdict(finished))
        if summary.n_failed:
            raise HarnessError(
                f"{summary.n_failed} runs failed; `scaling-harness sweep status {manifest.name}` says why"
            )
        return True

    def probe(self, folder: Path, runtime: RuntimeConfig) -> Probe:
        """Take the steps here."""
        return probe(folder, self._config.runs_at_once(runtime))

    @staticmethod
    def cancel(sweep_dir: Path, force: bool) -> bool:  # noqa: ARG004
        """Workers of this machine leave when they see that the sweep is cancelled; the states of their runs say so."""
        return False


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
    environments = [{} for _ in range(min(n_workers(runtime), n_open))]
    sweep_dir = store.sweep_dir(manifest.name)
    log = sweep_dir / LOGS / f"{socket.gethostname()}-{os.getpid()}"
    pool = Pool(worker_command(sweep_dir, runtime, train), runtime.threads, log, environments)

    # The second interrupt is Python's own: it ends the loop, and the pool kills what it holds.
    with stop_on_signals() as stop, Progress(manifest.jobs, console) as progress, pool.ended():
        pool.start_all()
        screen = _Screen(progress, manifest, store, rows)
        told = supervise(pool, manifest, store, stop, screen.look)
    summary = _summarise(screen.rows, before, told)
    if summary.interrupted:
        done = summary.n_runs - summary.n_left
        console.print(f"stopped: {done} of {summary.n_runs} runs are done; the same command goes on from here")
    return summary


class _Screen:
    """Keeps looking at the runs, and shows them."""

    def __init__(self, progress: Progress, manifest: Manifest, store: Store, rows: tuple[RunStatus, ...]) -> None:
        self._progress, self._manifest, self._store = progress, manifest, store
        self._told = False
        self.rows = rows

    def look(self, told: bool) -> None:
        if told and not self._told:
            self._progress.say("stopping: workers save their runs; interrupt again to kill them")
        self._told = told
        self.rows = status(self._manifest.jobs, self._store, self.rows)
        self._progress.show(self.rows)


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
