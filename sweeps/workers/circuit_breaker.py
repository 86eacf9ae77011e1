"""Stop a sweep if several of its jobs fail with the same error, before the rest do."""

import functools
import re
from collections.abc import Sequence

from scaling_harness.errors import HarnessError
from scaling_harness.plan.plan import Job
from scaling_harness.record.atomic_files import parse_json
from scaling_harness.record.store import Store

LIMIT = 3
"""Number of different jobs, each out of attempts."""


def check_repeated_error(jobs: Sequence[Job], store: Store, name: str) -> None:
    """Check that no single error ended `LIMIT` jobs.

    Parameters
    ----------
    jobs : sequence of Job
        Jobs of the sweep.
    store : Store
        Store of their records, which say why jobs failed. Errors that differ only in numbers or run names are the same.

    name : str
        Name of the sweep.

    Raises
    ------
    HarnessError
        `LIMIT` jobs failed with the same error.
    """
    reasons: dict[str, list[str]] = {}
    for job in jobs:
        if reason := _reason(job, store):
            alike = re.sub(r"\d+(\.\d+)?", "#", functools.reduce(_without, (run.run_id for run in job.runs), reason))
            reasons.setdefault(alike, []).append(reason)
    most = max(reasons.values(), key=len, default=[])
    if len(most) >= LIMIT:
        raise HarnessError(
            f"the sweep is stopped, {len(most)} of its jobs failed with the same error, the first: {most[0]}; "
            f"fix it, then try them again with `scaling-harness sweep retry {name} --failed`"
        )


def _without(text: str, run_id: str) -> str:
    return text.replace(run_id, "#")


def _reason(job: Job, store: Store) -> str | None:
    """Return why a job failed; None if it did not."""
    for run in job.runs:
        try:
            record = parse_json(store.record_path(run.run_id).read_bytes())
        except (FileNotFoundError, ValueError):
            continue
        if not isinstance(record, dict):
            continue
        # A failed trunk counts once, without its branches.
        if record.get("status") == "failed" and not record.get("trunk"):
            return str(record.get("reason"))
    return None
