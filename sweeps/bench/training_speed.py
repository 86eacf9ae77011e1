"""Training speed on this machine: the plain baseline, processes of it, and ours, in turn. No torch here."""

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
from scaling_harness.data.token_cache import prepare
from scaling_harness.execution.execute import TRAINER
from scaling_harness.plan.plan import Job, Plan, resolve
from sweeps.bench.timed_process import GEMM_FLOPS, Sample, Side, Task

SIZES = (1e4, 3e4, 1e5, 3e5, 1e6)
BATCHES = (256, 2048)
SIDES = ("baseline", "processes", "ours")
"""The plain baseline with all cores' threads; as many one-thread processes of it; as many workers of ours."""
LEAST_CORES = 0.9
"""Of every core, for the baseline to count: 1.8 of two."""
_BASELINE = "sweeps.bench.plain_gpt2:train"
_ENDLESS = 10_000_000
"""Steps: neither the end nor an evaluation falls into the seconds that are measured."""
_SETTLE_S = 0.2


@dataclass(frozen=True)
class Shape:
    """What is trained."""

    n_params: int
    """With head."""
    d_model: int
    batch_tokens: int
    stack: int
    """Runs in lockstep in each process of ours."""
    flops_6nd: float
    """A token, with head."""
    flops_matmul: float
    """A token, both attention products over the whole context."""


@dataclass(frozen=True)
class Round:
    """Matrix products alone, then every side, once."""

    tokens_per_s: dict[str, float]
    """By `SIDES`."""
    samples: dict[str, Sample]
    gemm_flops_per_s: float
    """One process a core."""
    cores_left: float | None
    """By other processes and hosts while the baseline ran; None where the system does not say."""

    @property
    def counts(self) -> bool:
        """Whether the baseline could have had 1.8 of two cores."""
        return self.cores_left is None or self.cores_left >= LEAST_CORES * n_cores()


def n_cores() -> int:
    """Cores of this machine: threads of the baseline, processes of the other sides."""
    return os.cpu_count() or 1


def speed(
    overrides: Sequence[str],
    config_dir: Path | None,
    sizes: Sequence[float],
    batches: Sequence[int],
    stack: int,
    rounds: int,
    seconds: float,
) -> Iterator[tuple[Shape, list[Round]]]:
    """Train every size and batch by every side, in turn.

    Parameters
    ----------
    overrides : sequence of str
        Of the configuration, for all sides.
    config_dir : Path or None
        More configuration groups.
    sizes : sequence of float
        N with head; see `width`.
    batches : sequence of int
        Tokens a step.
    stack : int
        Runs in lockstep in each process of ours.
    rounds : int
        Of each size and batch.
    seconds : float
        Of each side in a round.

    Yields
    ------
    tuple of Shape and list of Round

    Raises
    ------
    UserError
        The configuration is not valid.
    HarnessError
        A process has died.
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
    """Find the multiple of 16 at which two layers have nearly N parameters with head, 24 d^2 + V d.

    Examples
    --------
    >>> [width(n, vocab_size=256) for n in (1e4, 1e5, 1e6)]
    [16, 64, 192]
    """
    d_model = ((vocab_size**2 + 96 * n_params) ** 0.5 - vocab_size) / 48
    return 16 * max(1, round(d_model / 16))


def _plans(size: float, batch: int, overrides: Sequence[str], config_dir: Path | None) -> tuple[Plan, Plan]:
    """Ours and the baseline's: the same data, shape and batch."""
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
    # A checkpoint would fall into some seconds and not into others.
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
        seeds = [range(i * runs, (i + 1) * runs) for i in range(side.n)]
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
    """Seconds that all cores have been busy or taken away by their host; None where the system does not say."""
    with contextlib.suppress(OSError):
        ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle, io_wait = ticks[3:5]
        return (sum(ticks) - idle - io_wait) / os.sysconf("SC_CLK_TCK")
    return None
