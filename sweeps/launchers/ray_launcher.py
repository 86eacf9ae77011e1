"""The Ray launcher: workers are tasks, which Ray places, and starts again if their process or node is lost."""

import dataclasses
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError, UserError, one_line
from scaling_harness.execution.execute import TRAINER
from scaling_harness.execution.intervals import poll_s
from scaling_harness.execution.signals import stop_on_signals
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.follow import following
from sweeps.config import RayLauncherConfig
from sweeps.launchers.ray_connection import answers, check_resources, connect
from sweeps.launchers.ray_task import run_node, run_program
from sweeps.launchers.watching import Screen, Summary, conclude, n_open_jobs
from sweeps.planning.manifest import CANCELLED, LOGS, Manifest
from sweeps.status.live_table import LiveTable
from sweeps.timing.probe import Probe, read_probe
from sweeps.workers.process import arguments_of
from sweeps.workers.resources import import_path

_MAX_RESTARTS = 200
"""Largest number of restarts of a task, in case it dies every time."""
_POLL_S = poll_s(0.25)
_LOOK_EVERY_S, _MOST_SILENT = 5.0, 3
"""Seconds between looks at the head of the cluster, and how many in a row it may not answer."""


class RayLauncher:
    """Train with tasks of Ray until every run is done; they end with this process. See `protocol.Launcher`."""

    waits: ClassVar[bool] = True

    def __init__(self, config: RayLauncherConfig) -> None:
        self._config = config

    def check(self, manifest: Manifest) -> None:
        """Check that Ray can be reached, and that one of its nodes could hold a worker."""
        options, ray = self.task_options(manifest.runtime), connect(self._config)
        try:
            ray.remote(run_node).options(**options)
        except (TypeError, ValueError) as error:
            raise UserError(f"launcher.options are not as Ray takes them: {one_line(error)}") from error
        wanted = {"CPU": options["num_cpus"], "GPU": options["num_gpus"], **options.get("resources", {})}
        if kind := options.get("accelerator_type"):
            wanted[f"accelerator_type:{kind}"] = 0.001  # as Ray asks for it
        check_resources(ray, wanted, self._config.autoscaling)

    def start(self, manifest: Manifest, store: Store) -> bool:
        """Train what is left of the sweep, mirror it, and compare its time with the probe's estimate."""
        with following(manifest.runs, store, manifest.wandb, manifest.name):
            summary = self._train(manifest, store)
        return conclude(summary, manifest, store)

    def probe(self, folder: Path, runtime: RuntimeConfig) -> Probe:
        """Time the steps in one task, side by side if runs share a GPU."""
        ray, config, n = connect(self._config), self._config, self._config.slots
        options = self.task_options(runtime)
        options |= {"num_cpus": n * options["num_cpus"], "num_gpus": math.ceil(options["num_gpus"])}
        words = ["sweeps.timing.probe", str(folder.resolve()), "--slots", str(config.slots)]
        task = _submit(ray, run_program, options, words, folder.resolve(), runtime)
        if failure := _failure(ray, task):
            raise failure
        if (probe := read_probe(folder.parent)) is None:
            raise HarnessError(f"the probe ended without a result; its output is in {folder / LOGS}")
        return probe

    @staticmethod
    def cancel(sweep_dir: Path, force: bool) -> bool:  # noqa: ARG004
        """Do nothing: the workers and the command that started them leave when the sweep is cancelled."""
        return False

    def task_options(self, runtime: RuntimeConfig) -> dict[str, Any]:
        """Options of a worker's task: its share of a GPU, its CPUs, and how often Ray may start it again."""
        config = self._config
        device, n_gpus = config.devices(runtime)
        return {
            # Ray counts ten-thousandths of a GPU; slots of 1/6, rounded up, would not fit on one.
            "num_gpus": math.floor(1e4 * n_gpus) / 1e4 if device == "gpu" else 0,
            "num_cpus": config.cpus_per_run or runtime.threads * config.gpus_per_run,
            "max_retries": _MAX_RESTARTS,
            "retry_exceptions": True,
            **config.options,
        }

    def _train(self, manifest: Manifest, store: Store) -> Summary:
        ray, console = connect(self._config), Console(stderr=True)
        sweep_dir, cancelled = store.sweep_dir(manifest.name).resolve(), store.sweep_dir(manifest.name) / CANCELLED
        runtime = dataclasses.replace(
            manifest.runtime, gpu_share=min(manifest.runtime.gpu_share, 1 / self._config.slots)
        )
        words = arguments_of(sweep_dir, runtime, TRAINER)
        options, n_tasks = self.task_options(runtime), min(self._config.workers, n_open_jobs(manifest, store))
        failures, stopping, head = [], False, _Head(ray)
        with stop_on_signals() as stop, LiveTable(manifest.jobs, console) as table:
            screen = Screen(table, manifest, store)
            tasks = [_submit(ray, run_node, options, words, sweep_dir, runtime) for _ in range(n_tasks)]
            while tasks:
                ended, tasks = ray.wait(tasks, timeout=_POLL_S)
                head.check()
                failures += [failure for task in ended if (failure := _failure(ray, task))]
                if not stopping and (stop() or cancelled.exists()):
                    stopping = True
                    for task in tasks:
                        ray.cancel(task)  # interrupts it: its worker saves its run
                screen.update(stopping)
        summary = screen.summary(stopping, console)
        if summary.n_left and failures and not stopping:
            raise failures[0]
        return summary


class _Head:
    """The head of the cluster: without it Ray ends this process after a minute, with no word of what is saved."""

    def __init__(self, ray: Any) -> None:
        self._ray, self._looked, self._silent = ray, time.monotonic(), 0

    def check(self) -> None:
        """Look now and then; raise `UserError` when it has not answered several times."""
        if time.monotonic() - self._looked < _LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        self._silent = 0 if answers(self._ray) else self._silent + 1
        if self._silent == _MOST_SILENT:
            raise UserError(
                "the head of the Ray cluster no longer answers: its workers save their runs and leave; start the "
                "cluster again and repeat this command, which goes on where they were"
            )


def _submit(
    ray: Any,
    does: Callable[..., Any],
    options: dict[str, Any],
    words: Sequence[str],
    folder: Path,
    runtime: RuntimeConfig,
) -> Any:
    """Have Ray call a function of `ray_task` somewhere; return the reference to its result."""
    return ray.remote(does).options(**options).remote(words, folder, runtime.threads, os.getcwd(), import_path())


def _failure(ray: Any, task: Any) -> HarnessError | None:
    """What went wrong in a task that has ended."""
    try:
        code, said = ray.get(task)
    except Exception as error:  # Ray has many
        cause = getattr(error, "cause", None)
        return HarnessError(f"a task of Ray failed: {one_line(cause if isinstance(cause, HarnessError) else error)}")
    if not code:
        return None
    return UserError(said) if code == UserError.exit_code else HarnessError(said)
