"""Stops a sweep whose runs die of one error, before the rest of them do. No torch."""

import json
import re
from collections import Counter
from collections.abc import Sequence

from scaling_harness.errors import HarnessError
from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store

LIMIT = 3
"""Different jobs, each tried as often as it may be."""


def check(jobs: Sequence[Job], store: Store) -> None:
    """Look for one error among the jobs that were recorded as failed.

    Parameters
    ----------
    jobs : sequence of Job
        Of the sweep.
    store : Store
        Their records say why; numbers and names of runs make no difference between errors.

    Raises
    ------
    HarnessError
        `LIMIT` jobs died of it.
    """
    errors = Counter(error for job in jobs if (error := _error(job, store)))
    error, count = errors.most_common(1)[0] if errors else ("", 0)
    if count >= LIMIT:
        raise HarnessError(
            f"the sweep is stopped, {count} of its jobs died of one error: {error}; "
            "mend it, then try them again with `scaling-harness sweep retry NAME --failed`"
        )


def _error(job: Job, store: Store) -> str | None:
    """Why a job failed, without what differs from job to job; None where it did not."""
    for run in job.runs:
        try:
            record = json.loads(store.record_path(run.run_id).read_bytes())
        except (FileNotFoundError, ValueError):
            continue
        if record.get("status") == "failed" and not record.get("trunk"):  # whose own failure counts, once
            return re.sub(r"\d+(\.\d+)?", "#", str(record.get("reason")).replace(run.run_id, "#"))
    return None
