"""Decide which runs are trained in lockstep: runs of one shape and batch, as many as fit in memory."""

import json
from collections.abc import Iterable

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.plan.memory import PROCESS_BYTES, machine_bytes, run_bytes
from scaling_harness.plan.plan import Job, Plan
from sweeps.config import n_workers


def group_into_jobs(plans: Iterable[Plan], stack: int) -> tuple[Job, ...]:
    """Group plans into jobs, longest first.

    Parameters
    ----------
    plans : iterable of Plan
        Distinct runs.
    stack : int
        Largest number of runs of one shape and batch in a job, fewer if these would not fit in memory. Runs of similar
        length are put together. Seeds, learning rates, schedules and lengths may differ.

    Returns
    -------
    tuple of Job
    """
    alike: dict[str, list[Plan]] = {}
    for plan in plans:
        alike.setdefault(_kind(plan) if stack > 1 else plan.fingerprint, []).append(plan)
    jobs = [Job(runs) for members in alike.values() for runs in _stacks(members, stack)]
    return tuple(sorted(jobs, key=lambda job: (-job.train_flops, job.job_id)))


def worker_bytes(runtime: RuntimeConfig) -> float:
    """Memory, in bytes, that a worker may use: as configured, or its share of this machine's."""
    if runtime.memory_gb is not None:
        return runtime.memory_gb * 1e9
    return machine_bytes() / n_workers(runtime)


def _kind(plan: Plan) -> str:
    """Return a key that is equal for runs that can be stacked."""
    if not plan.stackable:
        return plan.fingerprint
    own = {"seed": None, "schedule": None, "optim": {**plan.science["optim"], "lr": None}, "budget": plan.batch_tokens}
    return json.dumps({**plan.science, **own, "first step": plan.n_steps - plan.own_steps}, sort_keys=True)


def _stacks(members: list[Plan], stack: int) -> Iterable[tuple[Plan, ...]]:
    members = sorted(members, key=lambda plan: -plan.n_steps)
    room = (worker_bytes(members[0].config.runtime) - PROCESS_BYTES) / run_bytes(members[0])
    size = max(1, min(stack, int(room)))
    return (tuple(members[start : start + size]) for start in range(0, len(members), size))
