"""The schema of what a user may say of a sweep: its runs (conf/sweep) and who starts its workers (conf/launcher)."""

import os
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass

from scaling_harness.config.schema import Count, RuntimeConfig

_STRICT = ConfigDict(extra="forbid")
_LAUNCHER = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
Device = Literal["gpu", "core"]


@dataclass(frozen=True, config=_STRICT)
class TokensAxis:
    """Token budgets."""

    n_tokens: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


@dataclass(frozen=True, config=_STRICT)
class FlopsAxis:
    """FLOP budgets: an IsoFLOP slice each."""

    train_flops: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    count: Count = "with_head"


@dataclass(frozen=True, config=_STRICT)
class RatioAxis:
    """Tokens a parameter."""

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
    """Dotted science fields and the values each takes, such as `optim.lr: [0.001, 0.002]`."""
    trunk: bool = False
    """Whether runs that differ in their budget alone share the steps before their decays; for `schedule=wsd`."""


def _joined(grids: Any) -> Any:
    """Lists of grids one after another."""
    if not isinstance(grids, dict):
        return grids
    if wrong := [name for name, part in grids.items() if not isinstance(part, list)]:
        raise ValueError(f"a list of grids, or names with a list of grids each, and {wrong[0]} is no list")
    return [grid for part in grids.values() for grid in part]


AimName = Literal[
    "budgets",
    "decades",
    "residual_ratio",
    "half_width",
    "difference",
    "forecast_gap",
    "forecast_error",
    "forecast_skill",
    "offset",
]


@dataclass(frozen=True, config=_STRICT)
class SweepConfig:
    """Runs described as data."""

    name: str
    question: str
    grids: Annotated[tuple[Grid, ...], BeforeValidator(_joined), Field(min_length=1)]
    """A list, or lists by name: a sweep whose defaults list names another inherits its lists and adds one."""
    stack: PositiveInt = 1
    """Runs of one shape and batch that are trained in lockstep, at most; 1 trains each on its own."""
    hold_out: NonNegativeInt = 1
    """Largest budgets that the report leaves out of the fit and forecasts."""
    law: Literal["chinchilla", "tied", "skaling"] = "chinchilla"
    """Of approach 3, the forecast and the checks of the report; said before training, so that no loss decides it."""
    aims: dict[AimName, float] = Field(default_factory=dict)
    """What the law should reach, each with its limit: the report says what is met (`analysis.report.targets`)."""


@dataclass(frozen=True, config=_LAUNCHER, kw_only=True)
class _Launcher:
    gpus_per_run: PositiveInt = 1
    """Processes that train one run together (torchrun), a GPU each; without GPUs, on the CPU."""

    @property
    def brings_code(self) -> bool:
        """Whether workers run other code than stands on the machine that launches them."""
        return False

    def devices(self, runtime: RuntimeConfig) -> tuple[Device, float]:
        """What a run keeps busy: GPUs, a part of one if several runs share it, or cores."""
        n = self.gpus_per_run
        return ("gpu", float(n)) if runtime.device.startswith("cuda") else ("core", float(n * runtime.threads))


@dataclass(frozen=True, config=_LAUNCHER)
class LocalLauncherConfig(_Launcher):
    """Worker processes on this machine, `runtime.workers` of them."""

    kind: Literal["local"] = "local"

    def runs_at_once(self, runtime: RuntimeConfig) -> int:
        """How many runs are trained at the same time, if there are enough: one a worker."""
        return n_workers(runtime)


def n_workers(runtime: RuntimeConfig) -> int:
    """Worker processes of a local sweep: as asked for, or one a core, fewer if a run takes several threads."""
    return runtime.workers or max(1, (os.cpu_count() or 1) // runtime.threads)


@dataclass(frozen=True, config=_LAUNCHER)
class SlurmLauncherConfig(_Launcher):
    """Arrays of SLURM tasks, each a node that keeps some workers busy; see `sweeps.launchers.node`."""

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

    @property
    def brings_code(self) -> bool:
        """See `_Launcher`: a container does."""
        return self.container is not None

    def devices(self, runtime: RuntimeConfig) -> tuple[Device, float]:
        """See `_Launcher`: the slots of a task share its GPUs."""
        return ("gpu", min(float(self.gpus_per_run), self.gpus / self.slots)) if self.gpus else super().devices(runtime)

    def runs_at_once(self, runtime: RuntimeConfig) -> int:  # noqa: ARG002
        """How many runs are trained at the same time, if there are enough: one a slot of a task."""
        return min(self.workers, self.cap or self.workers) * self.slots


LauncherConfig = LocalLauncherConfig | SlurmLauncherConfig


@dataclass(frozen=True, config=_LAUNCHER)
class LauncherGroup:
    """The group as it stands in a composed document."""

    launcher: Annotated[LauncherConfig, Field(discriminator="kind")]
