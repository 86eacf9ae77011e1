"""Estimate the seconds that a job will take from its steps and matrix products."""

from dataclasses import dataclass

from scaling_harness.plan.plan import Job, Plan

OVERHEAD_S = 0.5e-3
LAYER_S = 0.8e-3
"""Fixed time of a step and of each layer in it: Python and dispatch, however small the matrices."""
FLOPS_PER_S = 4.0e10
"""Rate of matrix products for d 16 to 128 on one thread (sweeps/README.md, 2026-11-22)."""


@dataclass(frozen=True)
class Speed:
    """Slowdown of a machine relative to the one that the constants were measured on; see `sweeps.timing.probe`."""

    step: float = 1.0
    """Factor for the fixed time of a step."""
    matmul: float = 1.0
    """Factor for the time of its matrix products."""
    job_s: float = 0.0
    """Fixed seconds of a job: building the model, starting evaluations, writing files."""


def job_seconds(job: Job, speed: Speed = Speed(), n_processes: int = 1) -> float:
    """Estimate the seconds of one job, on one thread in each of its processes, on a machine of the given speed.

    Each step of the longest run costs a fixed time, and each run adds its matrix products, which its processes divide;
    evaluations are forward passes, a third of training's FLOPs, of one process while the others wait.
    """
    fixed_s, matmul_s = step_seconds(job)
    steps = [run.own_steps for run in job.runs]
    n_products = sum(steps) / n_processes + sum(evaluated_tokens(run) / 3 / run.batch_tokens for run in job.runs)
    return speed.job_s + speed.step * fixed_s * max(steps) + speed.matmul * matmul_s / len(steps) * n_products


def gpu_seconds(run: Plan, flops_per_s: float, n_processes: int = 1) -> float:
    """Estimate the seconds of one run from its FLOPs (6ND, evaluations 2ND), on GPUs that each do so many a second."""
    _, trained = run.spent(run.own_steps)
    evaluated = evaluated_tokens(run) * run.flops_per_token["6nd_with_head"] / 3
    return (trained / n_processes + evaluated) / flops_per_s


def evaluated_tokens(run: Plan) -> int:
    """Number of tokens that a run's evaluations read, those of its trunk left out."""
    evaluation = run.config.evaluation
    n_points = sum(step > run.n_steps - run.own_steps for step in run.eval_steps)
    return evaluation.n_tokens * n_points + evaluation.final_n_tokens * len(run.data.evaluation_sets)


def step_seconds(job: Job) -> tuple[float, float]:
    """Estimate the seconds of one step of all runs of a job, at default speed: the fixed part, and matrix products."""
    run = job.runs[0]
    tokens = len(job.runs) * run.batch_tokens
    return OVERHEAD_S + LAYER_S * run.config.model.n_layer, tokens * run.flops_per_token["matmul"] / FLOPS_PER_S
