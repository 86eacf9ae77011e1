"""Seconds a job will take, from its steps and matrix products."""

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
