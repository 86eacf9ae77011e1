"""SLURM as a launcher: arrays of tasks, each a node that keeps some workers busy."""

from pathlib import Path
from typing import ClassVar

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import UserError
from scaling_harness.record.store import Store
from sweeps.config import SlurmLauncherConfig
from sweeps.launchers.slurm.commands import call, check_partition, live_tasks
from sweeps.launchers.slurm.probe_job import wait_for_probe
from sweeps.launchers.slurm.submit import submissions, submit
from sweeps.planning.manifest import Manifest
from sweeps.planning.plan_table import cost_sentence
from sweeps.status.planned_cost import planned_cost
from sweeps.timing.probe import Probe


class SlurmLauncher:
    """Submits an array and returns; see `protocol.Launcher`."""

    waits: ClassVar[bool] = False

    def __init__(self, config: SlurmLauncherConfig) -> None:
        self._config = config

    def check(self, manifest: Manifest) -> None:
        """The partition is there, and a GPU is asked for if runs are to be trained on one."""
        check_partition(self._config.partition)
        if manifest.runtime.device.startswith("cuda") and not self._config.gpus:
            raise UserError(f"runtime.device is {manifest.runtime.device} and launcher.gpus 0: ask for a GPU")

    def start(self, manifest: Manifest, store: Store) -> bool:
        """Submit the workers that the sweep lacks."""
        print(cost_sentence(planned_cost(manifest, store)[1]))
        print(submit(manifest, self._config, store))
        return True

    def probe(self, folder: Path, runtime: RuntimeConfig) -> Probe:
        """Submit a task that takes the steps, and wait for it."""
        return wait_for_probe(folder, self._config, runtime.threads)

    @staticmethod
    def cancel(sweep_dir: Path, force: bool) -> bool:
        """Take tasks out of the queue, by force those that run too."""
        arrays = [row.job_id for row in submissions(sweep_dir)]
        tasks = live_tasks(arrays)
        if tasks and force:
            call("scancel", *tasks)
        elif "PENDING" in tasks.values():
            call("scancel", "--state=PENDING", *arrays)
        return bool(tasks)
