"""Disk that runs take, estimated before they are trained: an upper bound."""

from collections.abc import Sequence

from scaling_harness.plan.plan import Job, Plan

STEP_BYTES = 150
"""A step's row in `metrics.jsonl`; 127 were measured in a run of 73,000 steps."""
_RECORD_BYTES = 16_000
"""Record and attempts of a run, in blocks of 4 kB."""
_POSITION_BYTES = 9
"""A loss by position."""
_STATE_BYTES = 12
"""Parameter and two moments, float32."""


def kept_bytes(run: Plan) -> int:
    """What a finished run keeps: its curve, record and attempts."""
    evaluation = run.config.evaluation
    losses = len(run.eval_steps) + 3 * len(run.data.evaluation_sets)
    positions = run.config.model.n_ctx * _POSITION_BYTES * losses if evaluation.by_position else 0
    noise = run.n_steps // evaluation.noise_every if evaluation.noise_every else 0
    return _RECORD_BYTES + STEP_BYTES * (run.n_steps + losses + 2 * noise) + positions


def state_bytes(run: Plan) -> int:
    """A saved state of a run, from which it resumes, or from which a branch starts."""
    return _STATE_BYTES * sum(run.params.values())


def most_bytes(jobs: Sequence[Job], at_once: int) -> int:
    """Most that a sweep takes while it trains.

    Its finished runs, two checkpoints for each job in progress (the new one is written beside the old one), and the
    states of all branches that have not started.

    Parameters
    ----------
    jobs : sequence of Job
        All jobs.
    at_once : int
        Number of jobs trained at the same time.
    """
    kept = sum(kept_bytes(run) for job in jobs for run in job.runs)
    checkpoints = sorted((sum(map(state_bytes, job.runs)) for job in jobs), reverse=True)
    branches = sum(state_bytes(run) for job in jobs for run in job.runs if run.trunk)
    return kept + 2 * sum(checkpoints[:at_once]) + branches
