"""The seconds that a job will take, from its steps and matrix products."""

from dataclasses import dataclass

from scaling_harness.plan.plan import Job, Plan

OVERHEAD_S = 0.5e-3
LAYER_S = 0.8e-3
"""Python and dispatch of a step, however small its matrices."""
FLOPS_PER_S = 4.0e10
"""Matrix products of d 16 to 128, one thread (sweeps/README.md, 2026-11-22)."""


@dataclass(frozen=True)
class Speed:
    """How many times longer a machine takes than that of the constants; see `probe`."""

    step: float = 1.0
    """For what a step costs whatever its size."""
    matmul: float = 1.0
    """For its matrix products."""
    job_s: float = 0.0
    """Seconds of a job besides: building the model, evaluations however small, files."""


def job_seconds(job: Job, speed: Speed = Speed()) -> float:
    """Estimate one job on one thread of the machine the constants were measured on, or on one of another speed.

    Steps cost a fixed time, as long as the longest run goes on, and each run its matrix products; evaluations are
    forward passes, a third of training's FLOPs.
    """
    fixed_s, matmul_s = step_seconds(job)
    steps = [run.own_steps for run in job.runs]
    n_products = sum(steps) + sum(map(_evaluated_steps, job.runs))
    return speed.job_s + speed.step * fixed_s * max(steps) + speed.matmul * matmul_s / len(steps) * n_products


def _evaluated_steps(run: Plan) -> float:
    """Training steps that would cost the FLOPs of a run's evaluations."""
    evaluation = run.config.evaluation
    n_points = sum(step > run.n_steps - run.own_steps for step in run.eval_steps)
    evaluated = evaluation.n_tokens * n_points + evaluation.final_n_tokens * (1 + len(run.data.extra))
    return evaluated / 3 / run.batch_tokens


def step_seconds(job: Job) -> tuple[float, float]:
    """Estimate a step there of all its runs: what is fixed, and its matrix products."""
    run = job.runs[0]
    tokens = len(job.runs) * run.batch_tokens
    return OVERHEAD_S + LAYER_S * run.config.model.n_layer, tokens * run.flops_per_token["matmul"] / FLOPS_PER_S


def duration(seconds: float) -> str:
    """Write a time span as a reader would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
