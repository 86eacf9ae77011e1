"""Stop a sweep if several of its jobs fail with the same error, before the rest do."""

import re
from collections import Counter
from collections.abc import Sequence

from scaling_harness.errors import HarnessError
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import parse_json
from scaling_harness.record.store import Store

LIMIT = 3
"""Number of different jobs, each out of attempts."""


def check_repeated_error(jobs: Sequence[Job], store: Store) -> None:
    """Check that no single error ended `LIMIT` jobs.

    Parameters
    ----------
    jobs : sequence of Job
        Jobs of the sweep.
    store : Store
        Store of their records, which say why jobs failed. Errors that differ only in numbers or run names are the same.

    Raises
    ------
    HarnessError
        `LIMIT` jobs failed with the same error.
    """
    errors = Counter(error for job in jobs if (error := _error(job, store)))
    error, count = errors.most_common(1)[0] if errors else ("", 0)
    if count >= LIMIT:
        raise HarnessError(
            f"the sweep is stopped, {count} of its jobs failed with the same error: {error}; "
            "fix it, then try them again with `scaling-harness sweep retry NAME --failed`"
        )


def _error(job: Job, store: Store) -> str | None:
    """Return why a job failed, without what differs between jobs; None if it did not fail."""
    for run in job.runs:
        try:
            record = parse_json(store.record_path(run.run_id).read_bytes())
        except (FileNotFoundError, ValueError):
            continue
        if not isinstance(record, dict):
            continue
        if record.get("status") == "failed" and not record.get(
            "trunk"
        ):  # a failed trunk counts once, without its branches
            return re.sub(r"\d+(\.\d+)?", "#", str(record.get("reason")).replace(run.run_id, "#"))
    return None
