"""Measure training speed on a GPU: our trainer with stacks of runs, beside the plain baseline, compiled and not."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scaling_harness.config.compose import compose, run_config
from scaling_harness.data.prepare import prepare
from scaling_harness.data.source_info import PreparedData
from scaling_harness.errors import CannotTrainHereError
from scaling_harness.plan.memory import PROCESS_BYTES, run_bytes
from scaling_harness.plan.plan import Plan, resolve
from scaling_harness.plan.shape_for_size import nearest_shape, shapes_of
from scaling_harness.text_table import print_columns
from scaling_harness.training.memory import gpu_bytes, is_out_of_memory
from sweeps.bench.card_peaks import peak_flops_per_s
from sweeps.bench.plain_gpt2 import PlainTraining

SIZES = (1e5, 1e6, 1e7, 1e8, 3e8)
STACKS = (1, 4, 16, 64)
BATCH = 16384
"""Tokens per step of each run."""
CONTEXT = 512
_WARM_UP = 5
"""Steps that are not measured: they compile, and capture what the GPU repeats."""
Step = Callable[[int], object]


@dataclass(frozen=True)
class DeviceSpeed:
    """One way to train one size: rates of all runs together, None if they do not fit in memory.

    Attributes
    ----------
    side : str
        `plain`, `plain compiled` or `ours`.
    runs : int
        Number of runs in lockstep.
    n_params, n_layer, d_model, batch_tokens : int
        Shape of each run; the number of parameters includes the head.
    tokens_per_s, flops_6nd_per_s, flops_matmul_per_s : float or None
        Rates; FLOPs as 6ND, and as those of matrix products, with attention.
    utilisation : float or None
        ``flops_matmul_per_s`` divided by the peak of the card in `dtype`; None if that is not known.
    dtype : str
        Precision of matrix products.
    memory_bytes : int or None
        Peak memory on the GPU; None on a CPU.
    """

    side: str
    runs: int
    n_params: int
    n_layer: int
    d_model: int
    batch_tokens: int
    dtype: str
    tokens_per_s: float | None
    flops_6nd_per_s: float | None = None
    flops_matmul_per_s: float | None = None
    utilisation: float | None = None
    memory_bytes: int | None = None


def measure_on_device(
    device: str,
    overrides: Sequence[str],
    config_dir: Path | None,
    sizes: Sequence[float],
    batches: Sequence[int],
    stacks: Sequence[int],
    seconds: float,
) -> Iterator[DeviceSpeed]:
    """Train every size and batch in every way for some seconds, one after another.

    Parameters
    ----------
    device : str
        `cuda`, or `cpu`.
    overrides : sequence of str
        Overrides of the configuration, for all sides.
    config_dir : Path or None
        Folder of further configuration groups.
    sizes : sequence of float
        Numbers of parameters with head.
    batches : sequence of int
        Tokens per step of each run.
    stacks : sequence of int
        Numbers of runs in lockstep.
    seconds : float
        Measured time of each.

    Yields
    ------
    DeviceSpeed

    Raises
    ------
    UserError
        The configuration is not valid, or there is no GPU.
    """
    check_device(device)
    runtime = [f"runtime={'cpu' if device == 'cpu' else 'cuda'}", f"model.n_ctx={CONTEXT}", *overrides]
    config = run_config(compose(runtime, config_dir))
    data = prepare(config.data, config.evaluation.extra_sets, Path(config.runtime.data_dir))
    for size, batch in itertools.product(sizes, batches):
        ours, plain = (_plan(size, batch, [*runtime, *more], config_dir, data) for more in ([], _PLAIN))
        for compiled in (False, True):
            name = "plain compiled" if compiled else "plain"
            yield _measure(name, plain, 1, device, seconds, _plain(plain, device, compiled))
        for stack in stacks:
            yield _measure("ours", ours, stack, device, seconds, _ours(ours, stack, device))


_PLAIN = ("model=gpt2", f"model.n_ctx={CONTEXT}", "optim=gpt2")


def check_device(device: str) -> None:
    """Refuse a GPU that is not there."""
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise CannotTrainHereError(
            f"--device is {device}, but torch {torch.__version__} finds no CUDA device here: run this on a machine "
            "with an NVIDIA GPU, or leave --device out to measure the CPU"
        )


def _plan(size: float, batch: int, overrides: Sequence[str], config_dir: Path | None, data: PreparedData) -> Plan:
    budget = ["budget=tokens", f"budget.batch_tokens={batch}", f"budget.n_tokens={batch}", "data.max_epochs=1000000"]
    config = run_config(compose([*overrides, *budget], config_dir))
    shape = nearest_shape(shapes_of(replace(config.model, n_head=None), data.vocab_size), size, "with_head")
    return resolve(replace(config, model=shape.model), data)


@contextlib.contextmanager
def _plain(plan: Plan, device: str, compiled: bool) -> Iterator[Step]:
    yield PlainTraining(plan, device, plan.config.runtime.dtype, compiled).step


@contextlib.contextmanager
def _ours(plan: Plan, n_runs: int, device: str) -> Iterator[Step]:
    from scaling_harness.training.distributed import Ranks
    from scaling_harness.training.run_stack import Stack

    runs = [replace(plan, config=replace(plan.config, seed=seed)) for seed in range(n_runs)]
    stack = Stack(runs, replace(plan.config.runtime, device=device), Ranks(), device)
    try:
        yield stack.step
    finally:
        stack.close()


def _measure(
    side: str, plan: Plan, n_runs: int, device: str, seconds: float, training: contextlib.AbstractContextManager[Step]
) -> DeviceSpeed:
    model, dtype = plan.config.model, plan.config.runtime.dtype
    shape = plan.n_params["with_head"], model.n_layer, model.d_model, plan.batch_tokens
    row = DeviceSpeed(side, n_runs, *shape, dtype, tokens_per_s=None)
    there = gpu_bytes(device, 1.0)
    if there and PROCESS_BYTES + n_runs * run_bytes(plan) > 2 * there:  # an upper bound: what may fit is tried
        return row
    try:
        steps_per_s, memory = _steps_per_s(training, device, seconds)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return row
    tokens = steps_per_s * plan.batch_tokens * n_runs
    flops, peak = tokens * plan.flops_per_token["matmul"], peak_flops_per_s(_card(device), dtype)
    return replace(
        row,
        tokens_per_s=tokens,
        flops_6nd_per_s=tokens * plan.flops_per_token["6nd_with_head"],
        flops_matmul_per_s=flops,
        utilisation=flops / peak if peak else None,
        memory_bytes=memory,
    )


def _steps_per_s(
    training: contextlib.AbstractContextManager[Step], device: str, seconds: float
) -> tuple[float, int | None]:
    """Build a training and time its steps; also return its peak memory on a GPU."""
    import torch

    on_gpu = device != "cpu"
    wait = torch.cuda.synchronize if on_gpu else lambda: None
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with training as step:
        for i in range(_WARM_UP):
            step(i)
        wait()
        started, n_steps = time.monotonic(), 0
        while time.monotonic() - started < seconds:
            step(_WARM_UP + n_steps)
            n_steps += 1
            if n_steps % 10 == 0:  # else the host would queue steps for longer than it was told to measure
                wait()
        wait()
        rate = n_steps / (time.monotonic() - started)
    return rate, torch.cuda.max_memory_allocated() if on_gpu else None


def _card(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device != "cpu" else "CPU"


def print_device_speed(rows: Sequence[DeviceSpeed], device: str) -> None:
    """Print a table of the rows, and what utilisation is a share of."""
    dtype = rows[0].dtype
    cells = [_cells(row) for row in rows]
    print_columns(tuple(cells[0]), [list(row.values()) for row in cells])
    peak = peak_flops_per_s(_card(device), dtype)
    said = (
        f"its peak in {dtype}, {peak / 1e12:.0f} TF/s" if peak else "an unknown peak: not in sweeps/bench/card_peaks.py"
    )
    print(f"{_card(device)}: MFU is matmul FLOPs a second over {said}")


def _cells(row: DeviceSpeed) -> dict[str, str]:
    def number(value: float | None, shown: str) -> str:
        return "does not fit" if row.tokens_per_s is None else "" if value is None else shown.format(value)

    tera = [None if rate is None else rate / 1e12 for rate in (row.flops_6nd_per_s, row.flops_matmul_per_s)]
    return {
        "N": f"{row.n_params:,}",
        "layers": str(row.n_layer),
        "d": str(row.d_model),
        "batch": f"{row.batch_tokens:,}",
        "side": row.side,
        "runs": str(row.runs),
        "tokens/s": number(row.tokens_per_s, "{:,.0f}"),
        "6ND TF/s": number(tera[0], "{:.3g}"),
        "matmul TF/s": number(tera[1], "{:.3g}"),
        "MFU": number(row.utilisation, "{:.1%}"),
        "GB": number(row.memory_bytes and row.memory_bytes / 1e9, "{:.2g}"),
    }
