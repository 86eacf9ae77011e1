"""Find branches whose trunk ended before their branch point, and record them as failed with the reason."""

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.errors import HarnessError
from scaling_harness.execution.claim import Claim
from scaling_harness.plan.plan import Job, Plan
from scaling_harness.record.provenance import now
from scaling_harness.record.record import write_record
from scaling_harness.record.store import Store
from scaling_harness.training.make_record import Measured, record_of


def is_ready(run: Plan, store: Store) -> bool:
    """Whether a run can be trained: its trunk has reached the branch point, or has ended."""
    if run.trunk is None:
        return True
    return store.snapshot_path(run.run_id).exists() or store.is_finished(run.trunk) or store.is_finished(run.run_id)


def orphan_reasons(job: Job, store: Store) -> dict[str, str]:
    """Say why runs of a job cannot be trained, by run_id.

    A run whose trunk completed, or was never trained, is no orphan: it is trained from the beginning.
    """
    waiting = [run for run in job.runs if run.trunk and not store.snapshot_path(run.run_id).exists()]
    if not waiting or store.checkpoint_path(job.job_id).exists():
        return {}
    reasons = {run.run_id: _end_of(run.trunk, store) for run in waiting if run.trunk}
    return {run_id: reason for run_id, reason in reasons.items() if reason}


def record_orphans(job: Job, reasons: dict[str, str], runtime: RuntimeConfig, store: Store, claim: Claim) -> Job | None:
    """Record the runs that have a reason as failed; return what is left of the job."""
    for run in job.runs:
        if run.run_id in reasons:
            claim.confirm()
            measured = Measured({}, 0.0, now(), [], runtime.device, run.trunk)
            record = record_of(run, job.job_id, runtime, store, reasons[run.run_id], measured, "failed")
            write_record(store.run_dir(run.run_id), record)
    return job.without(reasons)


def _end_of(trunk: str, store: Store) -> str | None:
    if not store.is_finished(trunk):
        return None
    try:
        record = store.read(trunk)
    except HarnessError:
        return None
    return None if record.status == "completed" else f"its trunk {trunk} {record.status}: {record.reason}"
