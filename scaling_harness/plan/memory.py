"""Memory that a run takes, estimated before it is trained."""

import contextlib
import dataclasses
import math
import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import CannotTrainHereError
from scaling_harness.models.logit_rows import logit_rows
from scaling_harness.models.registry import recorded_target
from scaling_harness.plan.plan import Plan

PROCESS_BYTES = 400e6
"""Memory of a worker before it trains: Python and torch."""
UPDATED_AT_ONCE = 1 << 26
"""Number of parameters, of all runs of a stack, that a GPU updates at once: the terms of the update take 1 GB."""
_FLOAT = 4
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def run_bytes(
    plan: Plan, batch_seqs: int | None = None, runtime: RuntimeConfig | None = None, n_processes: int = 1
) -> float:
    """Estimate an upper bound, in bytes, for the memory that one more run takes in a stack, on each of its processes.

    Counts the parameters, gradients (as computed and in their buffer), two moments, on a GPU also what its batched
    update needs, and what is kept for the backward pass: activations, for which `fused_ops.RotaryAttention` keeps T x T
    weights on a CPU, and the copies of the weights that autocast makes.

    Parameters
    ----------
    plan : Plan
        The run.
    batch_seqs : int, optional
        Contexts in memory at once; as configured by default.
    runtime : RuntimeConfig, optional
        Where and how it is trained; as configured by default.
    n_processes : int
        Number of processes, which may share the moments.
    """
    runtime = runtime or plan.config.runtime
    params = sum(plan.params.values())
    kept = _activations(plan, batch_seqs, runtime, n_processes) + (params / 2 if _copies_weights(runtime) else 0)
    if runtime.device == "cpu":
        return _FLOAT * (5 * params + kept)
    shared = params / (n_processes if runtime.shard_optimizer else 1)
    # Moments and rules last; beside them are gradients as computed, with what is kept, then terms of the update.
    computed, exchanged = (0, shared) if shared < params else (params, 0)
    update = max(exchanged, 4 * min(shared, UPDATED_AT_ONCE))
    return _FLOAT * (2 * params + 4 * shared + max(computed + kept, update))


def _activations(plan: Plan, batch_seqs: int | None, runtime: RuntimeConfig, n_processes: int) -> float:
    """Number of floats kept for the backward pass."""
    model, own_seqs = plan.config.model, math.ceil(plan.batch_seqs / n_processes)
    tokens = min(own_seqs, batch_seqs or runtime.micro_batch or own_seqs) * model.n_ctx
    weights = 2 * model.heads * model.n_ctx if runtime.device == "cpu" else 0
    block = 16 * model.d_model + 3 * model.d_ff + weights
    n_layer = model.n_layer * int(model.options.get("passes", 1))
    blocks = n_layer * model.d_model + block if runtime.recompute_activations else n_layer * block
    V = plan.data.vocab_size
    rows = logit_rows(1, V, tokens, on_gpu=runtime.device != "cpu") if _is_decoder(plan) else tokens
    return tokens * (blocks + 4 * model.d_model) + 3 * V * rows


def _copies_weights(runtime: RuntimeConfig) -> bool:
    """Whether autocast holds copies of the weights in bfloat16, which compiled code does not."""
    return runtime.dtype == "bfloat16" and not runtime.compile


def _is_decoder(plan: Plan) -> bool:
    """Whether the architecture is made of `decoder`, which alone never has the logits of all positions at once."""
    return recorded_target(plan.config.model.target) in (None, "recurrent")


def fitting_micro_batch(runs: Sequence[Plan], runtime: RuntimeConfig, there: float, n_processes: int = 1) -> int | None:
    """Predict the micro-batch that a stack needs.

    Parameters
    ----------
    runs : sequence of Plan
        Runs of one shape and batch.
    runtime : RuntimeConfig
        Where and how they are trained.
    there : float
        Memory of the device, in bytes.
    n_processes : int
        Number of processes that share the batch.

    Returns
    -------
    int or None
        Contexts at once, in parts of about the same size; None if the whole batch fits.
    """
    batch = math.ceil(runs[0].batch_seqs / n_processes)
    most = bisect_right(range(1, batch + 1), there, key=lambda seqs: stack_bytes(runs, seqs, runtime, n_processes))
    return None if most == batch else math.ceil(batch / math.ceil(batch / max(1, most)))


def stack_bytes(runs: Sequence[Plan], batch_seqs: int, runtime: RuntimeConfig, n_processes: int = 1) -> float:
    """Memory that a process takes for a stack with so many contexts at once; see `run_bytes`."""
    return PROCESS_BYTES + sum(run_bytes(run, batch_seqs, runtime, n_processes) for run in runs)


def machine_bytes() -> float:
    """Memory of this machine, or of the container if it is limited to less."""
    machine = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):  # no such file, or the word "max"
        return min(machine, float(int(_CGROUP_LIMIT.read_text())))
    return machine


def lacking_bytes(plan: Plan, n_processes: int = 1) -> float | None:
    """Memory that a run takes, in bytes, if its worker or GPU has less; None if it fits.

    With the micro-batch given, or else one context at a time. Each of a run's processes holds the whole model; they may
    share its moments.
    """
    least = PROCESS_BYTES + run_bytes(plan, plan.config.runtime.micro_batch or 1, n_processes=n_processes)
    return least if least > _device_bytes(plan.config.runtime) else None


def lacking_at_best_bytes(plan: Plan) -> float | None:
    """Memory that a run takes however it is trained, in bytes, if its worker or GPU has less; None if it could fit.

    Every process holds all parameters and gradients, however many there are.
    """
    least = _bytes_at_best(plan, plan.config.runtime)
    return least if least > _device_bytes(plan.config.runtime) else None


def remedies(plan: Plan, runtime: RuntimeConfig, n_processes: int = 1) -> list[str]:
    """Name the settings with which a run takes less memory, but for those that are made already."""
    found = []
    if (runtime.micro_batch or 1) > 1:
        found.append("a smaller runtime.micro_batch")
    if _is_decoder(plan) and not runtime.recompute_activations:
        found.append("runtime.recompute_activations=true")
    if _copies_weights(runtime):
        found.append("runtime.compile=true")
    if runtime.device != "cpu":
        found.append(_sharing(runtime, n_processes))
    return found


def _sharing(runtime: RuntimeConfig, n_processes: int) -> str:
    """Say how the processes of a run would share its moments, or be more of them."""
    gpus = "GPUs a run (launcher.gpus_per_run, also over nodes of SLURM: launcher.nodes_per_run)"
    more = f"several {gpus}" if n_processes == 1 else f"more than {n_processes} {gpus}"
    if runtime.shard_optimizer:
        return more
    return "runtime.shard_optimizer=true" + (f" on {more}" if n_processes == 1 else "")


def _device_bytes(runtime: RuntimeConfig) -> float:
    return 1e9 * runtime.memory_gb if runtime.memory_gb else machine_bytes()


def _bytes_at_best(plan: Plan, runtime: RuntimeConfig) -> float:
    """Memory of a process with every setting that saves some, on as many GPUs as the batch has contexts."""
    saving = dataclasses.replace(
        runtime, shard_optimizer=True, recompute_activations=_is_decoder(plan), compile=True, micro_batch=None
    )
    return PROCESS_BYTES + run_bytes(plan, 1, saving, plan.batch_seqs)


def refuse_too_large(
    plan: Plan, runtime: RuntimeConfig | None = None, gpu_bytes: float | None = None, n_processes: int = 1
) -> None:
    """Refuse a run that its device cannot hold even with one context at a time.

    Parameters
    ----------
    plan : Plan
        The run.
    runtime : RuntimeConfig, optional
        Where and how it is trained; as configured by default.
    gpu_bytes : float, optional
        Memory of the GPU; without it only runs on a CPU are checked, against this machine's memory.
    n_processes : int
        Number of processes that train it.

    Raises
    ------
    CannotTrainHereError
        It would be killed for want of memory.
    """
    runtime = runtime or plan.config.runtime
    if gpu_bytes is None and runtime.device != "cpu":
        return
    least, there = PROCESS_BYTES + run_bytes(plan, 1, runtime, n_processes), gpu_bytes or machine_bytes()
    if least > there:
        where = "this machine" if gpu_bytes is None else "its share of the GPU"
        given = dataclasses.replace(runtime, micro_batch=None)
        helping = remedies(plan, given, n_processes) if _bytes_at_best(plan, runtime) <= there else []
        advice = f", or train it with {' or '.join(helping)}" if helping else ""
        raise CannotTrainHereError(
            f"{plan.run_id} ({plan.n_params['total']:,} parameters) takes about {least / 1e9:,.0f} GB with one context "
            f"at a time, and {where} has {there / 1e9:,.0f} GB: make model.n_layer, model.d_model or model.n_ctx "
            f"smaller{advice}"
        )
