"""Failed runs, freed to be trained again."""

from collections.abc import Iterable
from pathlib import Path

from scaling_harness.record.atomic_files import explain_os_errors
from scaling_harness.record.store import Store
from sweeps.status.run_status import RunStatus


def free_failed(rows: Iterable[RunStatus], store: Store) -> list[str]:
    """Put the records of failed runs aside; their attempts start to count afresh.

    Parameters
    ----------
    rows : iterable of RunStatus
        Runs of a sweep.
    store : Store
        Where they live.

    Returns
    -------
    list of str
        The run_ids.

    Raises
    ------
    UserError
        The store cannot be written.
    """
    failed = [row.run_id for row in rows if row.state == "failed"]
    for run_id in failed:
        path = store.record_path(run_id)
        with explain_os_errors(path):
            path.rename(_aside(path))
    return failed


def _aside(path: Path) -> Path:
    number = 1 + len(list(path.parent.glob(f"{path.stem}-failed-*.json")))
    return path.with_name(f"{path.stem}-failed-{number}.json")
