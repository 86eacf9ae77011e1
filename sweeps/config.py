"""Schema of a sweep's configuration: its runs (conf/sweep) and the launcher that starts its workers (conf/launcher)."""

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from scaling_harness.config.schema import Count, RuntimeConfig

_STRICT = ConfigDict(extra="forbid")
_TAKEN = ("store", "checkpoints", "data", "hydra", "wandb")
_LAUNCHER = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
Device = Literal["gpu", "core"]


@dataclass(frozen=True, config=_STRICT)
class TokensAxis:
    """Token budgets."""

    n_tokens: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


@dataclass(frozen=True, config=_STRICT)
class FlopsAxis:
    """FLOP budgets; each is one IsoFLOP slice."""

    train_flops: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    count: Count = "with_head"


@dataclass(frozen=True, config=_STRICT)
class RatioAxis:
    """Budgets in tokens per parameter."""

    tokens_per_param: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    count: Count = "with_head"


@dataclass(frozen=True, config=_STRICT)
class Grid:
    """shapes x budgets x seeds x every key of `over`; a sweep is the union of its grids."""

    shapes: Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1)]
    """(n_layer, d_model) pairs."""
    budgets: TokensAxis | FlopsAxis | RatioAxis
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    over: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """Dotted science fields and the values that each takes, such as `optim.lr: [0.001, 0.002]`."""
    trunk: bool = False
    """Whether runs that differ only in budget share the steps before their decays; needs `schedule=wsd`."""


def _joined(grids: Any) -> Any:
    """Join named lists of grids into one list."""
    if not isinstance(grids, dict):
        return grids
    if wrong := [name for name, part in grids.items() if not isinstance(part, list)]:
        raise ValueError(f"give a list of grids, or named lists of grids; {wrong[0]} is not a list")
    return [grid for part in grids.values() for grid in part]


AimName = Literal[
    "budgets",
    "decades",
    "residual_ratio",
    "half_width",
    "half_width_1",
    "half_width_2",
    "half_width_3",
    "difference",
    "forecast_gap",
    "forecast_error",
    "forecast_skill",
    "offset",
    "offset_half_width",
    "best_residual_ratio",
    "windows_error",
    "windows_skill_last",
    "windows_skill_power",
    "windows_missed",
]


def _folder_name(name: str) -> str:
    """Refuse a name that is no folder of its own in the runs directory."""
    if "/" in name or "\0" in name or name.startswith((".", "-")) or not name.strip():
        raise ValueError("a sweep is a folder of its own: name it without / and not with . or - in front")
    if name in _TAKEN:
        raise ValueError(f"the folders {', '.join(_TAKEN)} hold the runs of all sweeps: choose another name")
    return name


@dataclass(frozen=True, config=_STRICT)
class SweepConfig:
    """Runs described as data."""

    name: Annotated[str, AfterValidator(_folder_name)]
    """Folder of the sweep in the runs directory."""
    question: str
    grids: Annotated[tuple[Grid, ...], BeforeValidator(_joined), Field(min_length=1)]
    """A list, or lists by name: a sweep whose defaults list names another inherits its lists and adds one."""
    stack: PositiveInt = 1
    """Largest number of runs of one shape and batch that are trained in lockstep; 1 trains each on its own."""
    hold_out: NonNegativeInt = 1
    """Number of largest budgets that the report leaves out of the fit and forecasts."""
    law: Literal["chinchilla", "tied", "skaling", "mixture"] = "chinchilla"
    """Law of the report's forecast and checks, or the mixture of all three (`analysis.validation.mixture`); declared
    before training, so that no loss decides it."""
    aims: dict[AimName, float] = Field(default_factory=dict)
    """Targets for the law, each with its limit; the report says which are met (`analysis.report.targets`)."""


@dataclass(frozen=True, config=_LAUNCHER, kw_only=True)
class _Launcher:
    gpus_per_run: PositiveInt = 1
    """Processes that train one run together (torchrun), each on a GPU of its own; on the CPU if there are no GPUs."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes that train one run together."""
        return 1

    @property
    def processes_per_node(self) -> int:
        """Number of processes of one run on each of its nodes."""
        return self.gpus_per_run // self.n_nodes

    @property
    def brings_code(self) -> bool:
        """Whether workers may run other code than that on the machine that launches them."""
        return False

    def devices(self, runtime: RuntimeConfig) -> tuple[Device, float]:
        """Devices that a run keeps busy: GPUs, a fraction of one if several runs share it, or cores."""
        n = self.gpus_per_run
        return ("gpu", float(n)) if runtime.device.startswith("cuda") else ("core", float(n * runtime.threads))


@dataclass(frozen=True, config=_LAUNCHER)
class LocalLauncherConfig(_Launcher):
    """Worker processes on this machine, `runtime.workers` of them."""

    kind: Literal["local"] = "local"

    def runs_at_once(self, runtime: RuntimeConfig) -> int:
        """Number of runs trained at the same time, if there are enough: one per worker."""
        return n_workers(runtime)


def n_workers(runtime: RuntimeConfig) -> int:
    """Number of workers of a local sweep: as configured, or one per core, fewer if a run has several threads."""
    return runtime.workers or max(1, (os.cpu_count() or 1) // runtime.threads)


@dataclass(frozen=True, config=_LAUNCHER)
class SlurmLauncherConfig(_Launcher):
    """Arrays of SLURM tasks, each of which keeps some workers busy; see `sweeps.launchers.node`."""

    partition: str | None
    """Partitions, comma-separated; null for the site's default."""
    workers: PositiveInt
    """Number of tasks in the array."""
    cap: PositiveInt | None
    """Number of tasks that may run at once; null for all."""
    slots: PositiveInt
    """Number of runs that a task trains at once."""
    gpus: NonNegativeInt
    """Number of GPUs of a task, on each of its nodes."""
    cpus_per_run: PositiveInt | None
    """CPUs of a run, on each of its nodes; null for `runtime.threads` of each process."""
    memory: str | None
    """Memory of a task, on each of its nodes, such as 16G."""
    time: str | None
    """Time limit of a task, such as 04:00:00; runs may take longer."""
    account: str | None
    qos: str | None
    constraint: str | None
    warn_s: PositiveInt
    """Seconds before the time limit, or before a preemption, at which runs are told to save."""
    setup: tuple[str, ...]
    """Shell lines before the worker, such as `module load cuda`."""
    container: str | None
    """Words to put before the worker's `python`, such as `apptainer exec --nv image.sif`."""
    sbatch: tuple[str, ...]
    """Further options of sbatch, such as `--exclude=node7`."""
    nodes_per_run: PositiveInt = 1
    """Number of nodes of a task, over which the processes of its run are spread."""
    kind: Literal["slurm"] = "slurm"

    def __post_init__(self) -> None:
        self._check_nodes()
        n = self.slots * self.processes_per_node
        if self.gpus and self.gpus_per_run > 1 and n > self.gpus:
            raise ValueError(
                f"{self.slots} runs at once (slots) on {self.processes_per_node} GPUs each (gpus_per_run / "
                f"nodes_per_run) need {n} GPUs per task and node, but gpus is {self.gpus}: raise it, or lower slots"
            )

    def _check_nodes(self) -> None:
        n = self.nodes_per_run
        if self.gpus_per_run % n:
            raise ValueError(
                f"{self.gpus_per_run} processes of a run (gpus_per_run) cannot be spread evenly over {n} nodes "
                "(nodes_per_run): choose a multiple"
            )
        if n > 1 and self.slots > 1:
            raise ValueError(f"a task of {n} nodes (nodes_per_run) trains one run at a time: set slots to 1")
        if n > 1 and self.container:
            raise ValueError(
                f"a run over {n} nodes (nodes_per_run) is started by srun, which a container lacks: set container to "
                "null, and install the harness on the nodes"
            )

    @property
    def n_nodes(self) -> int:
        """See `_Launcher`."""
        return self.nodes_per_run

    @property
    def brings_code(self) -> bool:
        """See `_Launcher`: a container brings its own code."""
        return self.container is not None

    def devices(self, runtime: RuntimeConfig) -> tuple[Device, float]:
        """See `_Launcher`: the slots of a task share its GPUs."""
        there = self.gpus * self.nodes_per_run / self.slots
        return ("gpu", min(float(self.gpus_per_run), there)) if self.gpus else super().devices(runtime)

    def runs_at_once(self, runtime: RuntimeConfig) -> int:  # noqa: ARG002
        """Number of runs trained at the same time, if there are enough: one per slot of a task."""
        return min(self.workers, self.cap or self.workers) * self.slots


@dataclass(frozen=True, config=_LAUNCHER)
class RayLauncherConfig(_Launcher):
    """Tasks of Ray, each of which trains one run after the other; see `sweeps.launchers.ray_task`."""

    address: str | None
    """Address for `ray.init`; null for RAY_ADDRESS, a Ray that runs on this machine, or else a new one."""
    connect_s: PositiveFloat
    """Seconds within which something must answer at the address."""
    workers: PositiveInt
    """Number of tasks."""
    slots: PositiveInt
    """Number of runs that share a GPU."""
    cpus_per_run: PositiveInt | None
    """CPUs of a run; null for `runtime.threads` of each process."""
    autoscaling: bool
    """Whether the cluster adds nodes by itself, so that a task may wait for a node that does not exist yet."""
    options: dict[str, Any]
    """Further options of a task, such as `accelerator_type`."""
    kind: Literal["ray"] = "ray"

    def __post_init__(self) -> None:
        if self.slots > 1 and self.gpus_per_run > 1:
            raise ValueError(
                f"{self.slots} runs cannot share a GPU (slots) if each is trained on {self.gpus_per_run} "
                "(gpus_per_run): set one of them to 1"
            )

    @property
    def brings_code(self) -> bool:
        """See `_Launcher`: Ray may start a task in an environment of its own."""
        return "runtime_env" in self.options

    def devices(self, runtime: RuntimeConfig) -> tuple[Device, float]:
        """See `_Launcher`: the slots of a GPU share it."""
        device, n = super().devices(runtime)
        return (device, n / self.slots if device == "gpu" else n)

    def runs_at_once(self, runtime: RuntimeConfig) -> int:  # noqa: ARG002
        """Number of runs trained at the same time, if there are enough: one per task."""
        return self.workers


LauncherConfig = LocalLauncherConfig | SlurmLauncherConfig | RayLauncherConfig


@dataclass(frozen=True, config=_LAUNCHER)
class LauncherGroup:
    """The launcher group of a composed document."""

    launcher: Annotated[LauncherConfig, Field(discriminator="kind")]
