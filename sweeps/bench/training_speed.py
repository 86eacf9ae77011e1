"""Measure training speed on this machine: the plain baseline, several processes of it, and our trainer, in turn."""

import contextlib
import dataclasses
import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.config.compose import compose, run_config
from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.data.prepare import prepare
from scaling_harness.execution.execute import TRAINER
from scaling_harness.plan.plan import Job, Plan, resolve
from sweeps.bench.timed_process import GEMM_FLOPS, Sample, Side, Task

SIZES = (1e4, 3e4, 1e5, 3e5, 1e6)
BATCHES = (256, 2048)
SIDES = ("baseline", "processes", "ours")
"""The plain baseline with a thread per core; a single-thread process of it per core; one of our workers per core."""
LEAST_CORES = 0.9
"""Least fraction of all cores that the baseline must have for a round to count: 1.8 of two."""
_BASELINE = "sweeps.bench.plain_gpt2:train"
_ENDLESS = 10_000_000
"""Number of steps so large that neither the end nor an evaluation falls into the measured seconds."""
_SETTLE_S = 0.2


@dataclass(frozen=True)
class Shape:
    """Shape of the model and batch that are trained."""

    n_params: int
    """Number of parameters with head."""
    d_model: int
    batch_tokens: int
    stack: int
    """Number of runs in lockstep in each of our processes."""
    flops_6nd: float
    """FLOPs per token as 6N, N with head."""
    flops_matmul: float
    """FLOPs per token of matrix products, both attention products over the whole context."""


@dataclass(frozen=True)
class Round:
    """One measurement of matrix products alone, then of every side."""

    tokens_per_s: dict[str, float]
    """Tokens per second of each of `SIDES`."""
    samples: dict[str, Sample]
    gemm_flops_per_s: float
    """Rate of matrix products in one process per core."""
    cores_left: float | None
    """Cores that other processes and hosts left while the baseline ran; None if the system does not say."""

    @property
    def counts(self) -> bool:
        """Whether the baseline could have had 1.8 of two cores."""
        return self.cores_left is None or self.cores_left >= LEAST_CORES * n_cores()


def n_cores() -> int:
    """Number of cores of this machine: threads of the baseline, processes of the other sides."""
    return os.cpu_count() or 1


def measure_speed(
    overrides: Sequence[str],
    config_dir: Path | None,
    sizes: Sequence[float],
    batches: Sequence[int],
    stack: int,
    rounds: int,
    seconds: float,
) -> Iterator[tuple[Shape, list[Round]]]:
    """Train every size and batch with every side, in turn.

    Parameters
    ----------
    overrides : sequence of str
        Overrides of the configuration, for all sides.
    config_dir : Path or None
        Folder of further configuration groups.
    sizes : sequence of float
        Numbers of parameters with head; see `width`.
    batches : sequence of int
        Batch sizes, in tokens per step.
    stack : int
        Number of runs in lockstep in each of our processes.
    rounds : int
        Number of rounds of each size and batch.
    seconds : float
        Seconds of each side in a round.

    Yields
    ------
    tuple of Shape and list of Round

    Raises
    ------
    UserError
        The configuration is not valid.
    HarnessError
        A process died.
    """
    cells = [_plans(size, batch, overrides, config_dir) for size, batch in itertools.product(sizes, batches)]
    runtime = cells[0][0].config.runtime
    with contextlib.ExitStack() as processes:
        sides = {name: processes.enter_context(side) for name, side in _sides(runtime).items()}
        for ours, baseline in cells:
            _begin(sides, ours, baseline, stack)
            shape = _shape(ours, stack)
            yield shape, [_round(sides, shape, seconds) for _ in range(rounds)]


def width(n_params: float, vocab_size: int) -> int:
    """Find the multiple of 16 for d_model at which two layers have about N parameters with head, 24 d^2 + V d.

    Examples
    --------
    >>> [width(n, vocab_size=256) for n in (1e4, 1e5, 1e6)]
    [16, 64, 192]
    """
    d_model = ((vocab_size**2 + 96 * n_params) ** 0.5 - vocab_size) / 48
    return 16 * max(1, round(d_model / 16))


def _plans(size: float, batch: int, overrides: Sequence[str], config_dir: Path | None) -> tuple[Plan, Plan]:
    """Plan our run and the baseline's with the same data, shape and batch."""
    any_shape = ["model.n_head=null", "model.d_head=16", "model.d_model=16"]
    config = run_config(compose([*overrides, *any_shape], config_dir))
    data = prepare(config.data, config.evaluation.extra_sets, Path(config.runtime.data_dir))
    shape = ["model.n_layer=2", f"model.d_model={width(size, data.vocab_size)}"]
    budget = ["budget=tokens", f"budget.batch_tokens={batch}", f"budget.n_tokens={batch}"]
    ours, baseline = (
        resolve(run_config(compose([*groups, *overrides, *shape, *budget], config_dir)), data)
        for groups in ([], ["model=gpt2", "optim=gpt2"])
    )
    return ours, baseline


def _sides(runtime: RuntimeConfig) -> dict[str, Side]:
    # No checkpoints: one would fall into some measured seconds and not into others.
    one = dataclasses.replace(runtime, threads=1, checkpoint_every_s=1e9)
    cores = n_cores()
    return {
        "baseline": Side(_BASELINE, 1, dataclasses.replace(one, threads=cores)),
        "processes": Side(_BASELINE, cores, one),
        "ours": Side(TRAINER, cores, one, keep_memory=True),
        "gemm": Side(TRAINER, cores, one),
    }


def _begin(sides: Mapping[str, Side], ours: Plan, baseline: Plan, stack: int) -> None:
    for name, side in sides.items():
        plan, runs = (ours, stack) if name == "ours" else (baseline, 1)
        seeds = [range(i * runs, (i + 1) * runs) for i in range(side.n_processes)]
        jobs: list[Task] = [Job(tuple(_endless(plan, seed) for seed in each)) for each in seeds]
        side.begin(["gemm" for _ in jobs] if name == "gemm" else jobs)
        side.go(_SETTLE_S)


def _endless(plan: Plan, seed: int) -> Plan:
    return dataclasses.replace(plan, n_steps=_ENDLESS, config=dataclasses.replace(plan.config, seed=seed))


def _shape(plan: Plan, stack: int) -> Shape:
    flops = plan.flops_per_token
    n, d = plan.n_params["with_head"], plan.config.model.d_model
    return Shape(n, d, plan.batch_tokens, stack, flops["6nd_with_head"], flops["matmul"])


def _round(sides: Mapping[str, Side], shape: Shape, seconds: float) -> Round:
    gemm = sides["gemm"].go(_SETTLE_S)
    samples, left = {}, None
    for name in SIDES:
        clock, before = time.monotonic(), _busy_s()
        samples[name] = sides[name].go(seconds)
        wall_s = time.monotonic() - clock
        if name == "baseline" and before is not None:
            left = n_cores() + samples[name].cores - ((_busy_s() or 0.0) - before) / wall_s
    tokens = {name: samples[name].steps_per_s * shape.batch_tokens for name in SIDES}
    tokens["ours"] *= shape.stack
    return Round(tokens, samples, gemm.steps_per_s * GEMM_FLOPS, left)


def _busy_s() -> float | None:
    """Seconds that all cores were busy or taken by the host; None if the system does not say."""
    with contextlib.suppress(OSError):
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle, io_wait = ticks[3:5]
        return (sum(ticks) - idle - io_wait) / os.sysconf("SC_CLK_TCK")
    return None
