"""How many workers a machine takes, and the seconds a job will take, from its steps and matrix products."""

import os

from scaling_harness.config import RuntimeConfig
from scaling_harness.plan import Job

OVERHEAD_S = 1.5e-3
LAYER_S = 0.6e-3
FLOPS_PER_S = 3.0e10


def job_seconds(job: Job) -> float:
    """Estimate one job on one thread of the machine the constants were measured on."""
    run = job.runs[0]
    step = OVERHEAD_S + LAYER_S * run.config.model.n_layer
    work = sum(r.train_flops["matmul"] for r in job.runs)
    return step * run.n_steps + work / FLOPS_PER_S


def n_workers(runtime: RuntimeConfig) -> int:
    """Worker processes of a local sweep: as asked for, or one a core, fewer where a run takes several threads."""
    return runtime.workers or max(1, (os.cpu_count() or 1) // runtime.threads)
