"""The schema of conf/launcher: who starts the workers of a sweep. No part of a run's identity. No Hydra, no torch."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


@dataclass(frozen=True, config=_STRICT, kw_only=True)
class _Launcher:
    gpus_per_run: PositiveInt = 1
    """Processes that train one run together (torchrun), a GPU each; without GPUs, on the CPU."""


@dataclass(frozen=True, config=_STRICT)
class LocalLauncher(_Launcher):
    """Worker processes on this machine, `runtime.workers` of them."""

    kind: Literal["local"] = "local"


@dataclass(frozen=True, config=_STRICT)
class SlurmLauncher(_Launcher):
    """Arrays of SLURM tasks, each a node that keeps some workers busy; see `sweeps.launchers.slurm.node`."""

    partition: str | None
    """Null for the site's default."""
    workers: PositiveInt
    """Tasks of the array."""
    cap: PositiveInt | None
    """Tasks that may run at once; null for all."""
    slots: PositiveInt
    """Runs at once on a task."""
    gpus: NonNegativeInt
    """Of a task."""
    cpus_per_run: PositiveInt | None
    """Null for `runtime.threads` of each process."""
    memory: str | None
    """Of a task, such as 16G."""
    time: str | None
    """Limit of a task, such as 04:00:00; runs may take longer than it."""
    account: str | None
    qos: str | None
    constraint: str | None
    warn_s: PositiveInt
    """Seconds before the time limit, or a preemption, that runs are told to save."""
    setup: tuple[str, ...]
    """Shell lines before the worker, such as `module load cuda`."""
    container: str | None
    """What to put before the worker's `python`, such as `apptainer exec --nv image.sif`."""
    sbatch: tuple[str, ...]
    """Further options of sbatch, such as `--exclude=node7`."""
    kind: Literal["slurm"] = "slurm"

    def __post_init__(self) -> None:
        if self.gpus and self.gpus_per_run > 1 and self.slots * self.gpus_per_run > self.gpus:
            raise ValueError(
                f"{self.slots} runs at once (slots) on {self.gpus_per_run} GPUs each (gpus_per_run) need "
                f"{self.slots * self.gpus_per_run} GPUs a task, gpus is {self.gpus}"
            )


Launcher = LocalLauncher | SlurmLauncher


@dataclass(frozen=True, config=_STRICT)
class LauncherGroup:
    """The group as it stands in a composed document."""

    launcher: Annotated[Launcher, Field(discriminator="kind")]
