"""Show a sweep while its workers train it, and conclude it when they have left: for launchers that wait."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from scaling_harness.errors import HarnessError
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.finished import mirror
from sweeps.planning.manifest import Manifest
from sweeps.status.live_table import LiveTable
from sweeps.status.run_status import FINISHED, RunStatus, status
from sweeps.timing.cost import check_sentence, compare_with_probe


@dataclass(frozen=True)
class Summary:
    """Counts of a sweep's runs after a launch."""

    n_runs: int
    n_done: int
    n_diverged: int
    n_failed: int
    n_left: int
    n_trained: int
    """Number of runs that finished during this launch, including diverged and failed ones."""
    interrupted: bool


class Screen:
    """Keeps the status of the runs up to date, and shows it.

    Parameters
    ----------
    table : LiveTable
        Where it is shown.
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs are stored.
    """

    def __init__(self, table: LiveTable, manifest: Manifest, store: Store) -> None:
        self._table, self._manifest, self._store = table, manifest, store
        self._stopping = False
        self.rows = status(manifest.jobs, store)
        self._n_before = _n_finished(self.rows)

    def update(self, stopping: bool) -> None:
        """Read the status again and show it.

        Parameters
        ----------
        stopping : bool
            Whether the workers were told to stop.
        """
        if stopping and not self._stopping:
            self._table.say("stopping: workers save their runs; interrupt again to kill them")
        self._stopping = stopping
        self.rows = status(self._manifest.jobs, self._store, self.rows)
        self._table.show(self.rows)

    def summary(self, interrupted: bool, console: Console) -> Summary:
        """Count the runs after the last update, and say how to continue if it was interrupted."""
        summary = _summarise(self.rows, self._n_before, interrupted)
        if interrupted:
            done = summary.n_runs - summary.n_left
            console.print(f"stopped: {done} of {summary.n_runs} runs are done; the same command continues from here")
        return summary


def n_open_jobs(manifest: Manifest, store: Store) -> int:
    """Count the jobs that have unfinished runs: no more workers are needed."""
    return sum(not all(store.is_finished(run.run_id) for run in job.runs) for job in manifest.jobs)


def conclude(summary: Summary, manifest: Manifest, store: Store) -> bool:
    """Mirror a trained sweep to wandb, and compare its time with the probe's estimate.

    Parameters
    ----------
    summary : Summary
        What became of its runs.
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs are stored.

    Returns
    -------
    bool
        False if it was interrupted: nothing is done then.

    Raises
    ------
    HarnessError
        Runs failed.
    """
    if summary.interrupted:
        return False
    if not manifest.wandb.live:
        mirror((run.run_id for run in manifest.runs), store, manifest.wandb, manifest.name)
    if finished := compare_with_probe(store.sweep_dir(manifest.name), manifest.jobs, store):
        print(check_sentence(finished))
    if summary.n_failed:
        raise HarnessError(f"{summary.n_failed} runs failed; `scaling-harness sweep status {manifest.name}` says why")
    return True


def _n_finished(rows: Sequence[RunStatus]) -> int:
    return sum(row.state in FINISHED for row in rows)


def _summarise(rows: Sequence[RunStatus], n_finished_before: int, interrupted: bool) -> Summary:
    counts = {state: sum(row.state == state for row in rows) for state in FINISHED}
    n_finished = sum(counts.values())
    return Summary(
        n_runs=len(rows),
        n_done=counts["done"],
        n_diverged=counts["diverged"],
        n_failed=counts["failed"],
        n_left=len(rows) - n_finished,
        n_trained=n_finished - n_finished_before,
        interrupted=interrupted,
    )
