"""Memory that a run takes, estimated before it is trained."""

import contextlib
import os
from pathlib import Path

from scaling_harness.errors import CannotTrainHereError
from scaling_harness.plan.plan import Plan

PROCESS_BYTES = 400e6
"""Memory of a worker before it trains: Python and torch."""
_FLOAT = 4
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def run_bytes(plan: Plan, batch_seqs: int | None = None) -> float:
    """Estimate an upper bound, in bytes, for the memory that one more run takes in a stack.

    Counts the parameters, gradients (as computed and in their buffer), two moments, and the activations kept for the
    backward pass, for which `fused_ops.RotaryAttention` keeps T x T weights.

    Parameters
    ----------
    plan : Plan
        The run.
    batch_seqs : int, optional
        Contexts in memory at once; as configured by default.
    """
    model, runtime = plan.config.model, plan.config.runtime
    n_ctx, d_model = model.n_ctx, model.d_model
    at_once = batch_seqs or runtime.micro_batch or plan.batch_seqs
    tokens = min(plan.batch_seqs, at_once) * n_ctx
    block = 16 * d_model + 3 * model.d_ff + 2 * model.heads * n_ctx
    n_layer = model.n_layer * int(model.options.get("passes", 1))
    activations = tokens * (n_layer * block + 4 * d_model + 3 * plan.data.vocab_size)
    return _FLOAT * (5 * sum(plan.params.values()) + activations)


def machine_bytes() -> float:
    """Memory of this machine, or of the container if it is limited to less."""
    machine = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):  # no such file, or the word "max"
        return min(machine, float(int(_CGROUP_LIMIT.read_text())))
    return machine


def lacking_bytes(plan: Plan) -> float | None:
    """Memory that a run takes with one context at a time, in bytes, if its worker or GPU has less; None if it fits.

    Every process of a run holds the whole model: no launcher here divides one.
    """
    runtime = plan.config.runtime
    there = 1e9 * runtime.memory_gb if runtime.memory_gb else machine_bytes()
    least = PROCESS_BYTES + run_bytes(plan, batch_seqs=1)
    return least if least > there else None


def refuse_too_large(plan: Plan) -> None:
    """Refuse a run that this machine cannot hold even with one context at a time.

    Raises
    ------
    CannotTrainHereError
        It would be killed for want of memory.
    """
    least, there = PROCESS_BYTES + run_bytes(plan, batch_seqs=1), machine_bytes()
    if plan.config.runtime.device == "cpu" and least > there:
        raise CannotTrainHereError(
            f"{plan.run_id} ({plan.n_params['total']:,} parameters) takes about {least / 1e9:,.0f} GB with one context "
            f"at a time, and this machine has {there / 1e9:,.0f} GB: make model.n_layer, model.d_model or model.n_ctx "
            "smaller"
        )
