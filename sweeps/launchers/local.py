"""The local launcher: train with the workers of this machine, and show them until the sweep is done."""

import dataclasses
import os
import socket
from pathlib import Path
from typing import ClassVar

from rich.console import Console

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.execution.execute import TRAINER
from scaling_harness.execution.signals import stop_on_signals
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.follow import following
from sweeps.config import LocalLauncherConfig, n_workers
from sweeps.launchers.watching import Screen, Summary, conclude, n_open_jobs
from sweeps.planning.manifest import LOGS, Manifest
from sweeps.status.live_table import LiveTable
from sweeps.timing.probe import Probe, run_probe
from sweeps.workers.resources import devices_for, share_devices, share_memory
from sweeps.workers.supervise import Pool, supervise, worker_command


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
        return conclude(summary, manifest, store)

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
    console = console or Console(stderr=True)
    shared = min(n_workers(runtime), n_open_jobs(manifest, store)), 1, devices_for(runtime)
    runtime, environments = share_memory(runtime, *shared), share_devices(*shared)
    manifest = dataclasses.replace(manifest, runtime=runtime)
    sweep_dir = store.sweep_dir(manifest.name)
    log = sweep_dir / LOGS / f"{socket.gethostname()}-{os.getpid()}"
    pool = Pool(worker_command(sweep_dir, runtime, train), runtime.threads, log, environments)

    # A second interrupt raises KeyboardInterrupt here, and the pool kills its workers.
    with stop_on_signals() as stop, LiveTable(manifest.jobs, console) as table, pool.stopping_all():
        pool.start_all()
        screen = Screen(table, manifest, store)
        interrupted = supervise(pool, manifest, store, stop, screen.update)
    return screen.summary(interrupted, console)
