"""The SLURM launcher: submit arrays of tasks, each of which keeps some workers busy."""

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
    """Submit an array of tasks and return; see `protocol.Launcher`."""

    waits: ClassVar[bool] = False

    def __init__(self, config: SlurmLauncherConfig) -> None:
        self._config = config

    def check(self, manifest: Manifest) -> None:
        """Check that the partition exists, and that GPUs are requested if runs train on them."""
        check_partition(self._config.partition)
        if manifest.runtime.device.startswith("cuda") and not self._config.gpus:
            raise UserError(f"runtime.device is {manifest.runtime.device}, but launcher.gpus is 0: ask for a GPU")

    def start(self, manifest: Manifest, store: Store) -> bool:
        """Submit the missing workers of the sweep."""
        print(cost_sentence(planned_cost(manifest, store)[1]))
        print(submit(manifest, self._config, store))
        if (mode := manifest.wandb.mode) != "off":
            print(
                f"nothing here waits for the runs: `scaling-harness sweep mirror {manifest.name} --mode {mode}` copies"
            )
            print("to wandb those that are done, and with --live those that train")
        return True

    def probe(self, folder: Path, runtime: RuntimeConfig) -> Probe:
        """Submit a task that times the steps, and wait for it."""
        return wait_for_probe(folder, self._config, runtime.threads)

    @staticmethod
    def cancel(sweep_dir: Path, force: bool) -> bool:
        """Cancel waiting tasks, and with `force` running ones as well."""
        arrays = [row.job_id for row in submissions(sweep_dir)]
        tasks = live_tasks(arrays)
        if tasks and force:
            call("scancel", *tasks)
        elif "PENDING" in tasks.values():
            call("scancel", "--state=PENDING", *arrays)
        return bool(tasks)
