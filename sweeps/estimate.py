"""How many workers a launch has, and the seconds a job will take, from its steps and matrix products."""

import os

from scaling_harness.config import RuntimeConfig
from scaling_harness.launchers import Launcher
from scaling_harness.plan import Job

OVERHEAD_S = 0.5e-3
LAYER_S = 0.8e-3
"""Python and dispatch of a step, however small its matrices."""
FLOPS_PER_S = 4.0e10
"""Matrix products of d 16 to 128, one thread (sweeps/README.md, 2026-11-22)."""


def job_seconds(job: Job) -> float:
    """Estimate one job on one thread of the machine the constants were measured on.

    Steps cost a fixed time and their matrix products; evaluations are forward passes, a third of training's FLOPs.
    """
    run = job.runs[0]
    evaluation = run.config.evaluation
    evaluated = evaluation.n_tokens * len(run.eval_steps) + evaluation.final_n_tokens * (1 + len(run.data.extra))
    tokens = len(job.runs) * (run.n_tokens + evaluated / 3)
    step = OVERHEAD_S + LAYER_S * run.config.model.n_layer
    return step * run.n_steps + tokens * run.flops_per_token["matmul"] / FLOPS_PER_S


def n_workers(runtime: RuntimeConfig) -> int:
    """Worker processes of a local sweep: as asked for, or one a core, fewer where a run takes several threads."""
    return runtime.workers or max(1, (os.cpu_count() or 1) // runtime.threads)


def runs_at_once(runtime: RuntimeConfig, launcher: Launcher) -> int:
    """How many runs a launch trains at the same time, where there are enough."""
    if launcher.kind == "slurm":
        return min(launcher.workers, launcher.cap or launcher.workers) * launcher.slots
    return n_workers(runtime)


def duration(seconds: float) -> str:
    """Write a time span as a reader would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
