"""Measure training speed on a GPU: our trainer with stacks of runs, beside the plain baseline, compiled and not."""

import contextlib
import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scaling_harness.config.compose import compose, run_config
from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.data.prepare import prepare
from scaling_harness.data.source_info import PreparedData
from scaling_harness.errors import CannotTrainHereError, UserError, one_line
from scaling_harness.plan.memory import PROCESS_BYTES, fitting_micro_batch, machine_bytes, run_bytes
from scaling_harness.plan.plan import Plan, resolve
from scaling_harness.plan.shape_for_size import nearest_shape, shapes_of
from scaling_harness.training.memory import gpu_bytes, is_out_of_memory
from sweeps.bench.card_peaks import peak_flops_per_s
from sweeps.bench.plain_gpt2 import PlainTraining

SIZES = (1e5, 1e6, 1e7, 1e8, 3e8)
STACKS = (1, 4, 16, 64)
BATCH = 16384
"""Tokens per step of each run."""
CONTEXT = 512
LARGE_VOCAB, _SIZE_OF_LARGE_VOCAB = 32768, 1e8
"""Vocabulary of a language model, with which the size nearest to this one is measured once more: its head is trained in
parts, which no small vocabulary shows. The tokens are the same bytes."""
_WARM_UP = 5
"""Steps that are not measured: they compile, and capture what the GPU repeats."""
Step = Callable[[int], object]


@dataclass(frozen=True)
class DeviceSpeed:
    """One way to train one size: rates of all runs together, None if they do not fit in memory or failed.

    Attributes
    ----------
    side : str
        `plain`, `plain compiled` or `ours`.
    runs : int
        Number of runs in lockstep.
    n_params, n_layer, d_model, batch_tokens, vocab_size : int
        Shape of each run; the number of parameters includes the head.
    tokens_per_s, flops_6nd_per_s, flops_matmul_per_s : float or None
        Rates; FLOPs as 6ND, and as those of matrix products, with attention.
    utilisation : float or None
        ``flops_matmul_per_s`` divided by the peak of the card in `dtype`; None if that is not known.
    dtype : str
        Precision of matrix products.
    memory_bytes : int or None
        Peak memory on the GPU; None on a CPU.
    micro_batch : int or None
        Contexts of each run in memory at once, by the trainer's own prediction; None for the whole batch.
    error : str or None
        Why it was not measured, if not for want of memory.
    """

    side: str
    runs: int
    n_params: int
    n_layer: int
    d_model: int
    batch_tokens: int
    vocab_size: int
    dtype: str
    tokens_per_s: float | None
    flops_6nd_per_s: float | None = None
    flops_matmul_per_s: float | None = None
    utilisation: float | None = None
    memory_bytes: int | None = None
    micro_batch: int | None = None
    error: str | None = None


def measure_on_device(
    device: str,
    overrides: Sequence[str],
    config_dir: Path | None,
    sizes: Sequence[float],
    batches: Sequence[int],
    stacks: Sequence[int],
    seconds: float,
) -> Iterator[DeviceSpeed]:
    """Train every size and batch in every way for some seconds, then one size with a large vocabulary.

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
    # All are planned before the first is measured: what cannot be planned is said at once.
    cells = [
        (_pair(size, batch, runtime, config_dir, data), stacks) for size, batch in itertools.product(sizes, batches)
    ]
    if data.vocab_size < LARGE_VOCAB:
        large = replace(data, vocab_size=LARGE_VOCAB)
        size = min(sizes, key=lambda size: abs(math.log(size / _SIZE_OF_LARGE_VOCAB)))
        with contextlib.suppress(UserError):  # the sizes asked for are smaller than any head of that vocabulary
            cells.append((_pair(size, batches[0], runtime, config_dir, large), stacks[:1]))
    for (ours, plain), runs_in_lockstep in cells:
        yield _measure("plain", plain, 1, None, device, seconds, _plain(plain, device, compiled=False))
        yield _measure("plain compiled", plain, 1, None, device, seconds, _plain(plain, device, compiled=True))
        for stack in runs_in_lockstep:
            runs = [replace(ours, config=replace(ours.config, seed=seed)) for seed in range(stack)]
            how = _runtime(runs, device)
            yield _measure("ours", ours, stack, how.micro_batch, device, seconds, _ours(runs, how))


_PLAIN = ("model=gpt2", f"model.n_ctx={CONTEXT}", "optim=gpt2")


def check_device(device: str) -> None:
    """Refuse a GPU that is not there."""
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise CannotTrainHereError(
            f"--device is {device}, but torch {torch.__version__} finds no CUDA device here: run this on a machine "
            "with an NVIDIA GPU, or leave --device out to measure the CPU"
        )


def _pair(
    size: float, batch: int, overrides: Sequence[str], config_dir: Path | None, data: PreparedData
) -> tuple[Plan, Plan]:
    """Plan a run of ours and one of the plain loop."""
    ours, plain = (_plan(size, batch, [*overrides, *more], config_dir, data) for more in ((), _PLAIN))
    return ours, plain


def _plan(size: float, batch: int, overrides: Sequence[str], config_dir: Path | None, data: PreparedData) -> Plan:
    budget = ["budget=tokens", f"budget.batch_tokens={batch}", f"budget.n_tokens={batch}", "data.max_epochs=1000000"]
    config = run_config(compose([*overrides, *budget], config_dir))
    shape = nearest_shape(shapes_of(replace(config.model, n_head=None), data.vocab_size), size, "with_head")
    return resolve(replace(config, model=shape.model), data)


@contextlib.contextmanager
def _plain(plan: Plan, device: str, compiled: bool) -> Iterator[Step]:
    yield PlainTraining(plan, device, plan.config.runtime.dtype, compiled).step


def _runtime(runs: Sequence[Plan], device: str) -> RuntimeConfig:
    """Split the batch where the trainer would."""
    runtime = replace(runs[0].config.runtime, device=device)
    if runtime.micro_batch:
        return runtime
    there = gpu_bytes(device, runtime.gpu_share) or machine_bytes()
    return replace(runtime, micro_batch=fitting_micro_batch(runs, runtime, there))


@contextlib.contextmanager
def _ours(runs: Sequence[Plan], runtime: RuntimeConfig) -> Iterator[Step]:
    from scaling_harness.training.distributed import Ranks
    from scaling_harness.training.run_stack import Stack

    stack = Stack(runs, runtime, Ranks(), runtime.device)
    try:
        yield stack.step
    finally:
        stack.close()


def _measure(
    side: str,
    plan: Plan,
    n_runs: int,
    micro_batch: int | None,
    device: str,
    seconds: float,
    training: contextlib.AbstractContextManager[Step],
) -> DeviceSpeed:
    model, dtype = plan.config.model, plan.config.runtime.dtype
    shape = plan.n_params["with_head"], model.n_layer, model.d_model, plan.batch_tokens, plan.data.vocab_size
    row = DeviceSpeed(side, n_runs, *shape, dtype, tokens_per_s=None, micro_batch=micro_batch)
    there = gpu_bytes(device, 1.0)
    # The prediction is an upper bound: what may fit is tried.
    if there and PROCESS_BYTES + n_runs * run_bytes(plan, micro_batch) > 2 * there:
        return row
    try:
        steps_per_s, memory = _steps_per_s(training, device, seconds)
    except Exception as error:  # one way that fails must not cost the rows of the others
        return row if is_out_of_memory(error) else replace(row, error=one_line(error))
    tokens = steps_per_s * plan.batch_tokens * n_runs
    flops, peak = tokens * plan.flops_per_token["matmul"], peak_flops_per_s(card_name(device), dtype)
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
    gc.collect()  # what failed before may still be held by a traceback
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


def card_name(device: str) -> str:
    """Name of the GPU, or `CPU`."""
    import torch

    return torch.cuda.get_device_name() if device != "cpu" else "CPU"
