"""Files of a sweep that no record needs: left by kills, or by code of earlier versions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from scaling_harness.execution.claim import is_held
from scaling_harness.record.store import Store
from sweeps.planning.manifest import LOGS
from sweeps.status.run_status import RunsOfJob


@dataclass(frozen=True)
class Leftover:
    """One file that can go."""

    path: Path
    what: str
    n_bytes: int


def leftovers(jobs: Sequence[RunsOfJob], store: Store, sweep_dir: Path) -> list[Leftover]:
    """Find what no record needs.

    Checkpoints and trunks' states of finished runs, half-written files in the folders of finished runs, checkpoints
    that a kill left half-written, and the output of workers once every run is finished. Records, curves and attempts
    stay, and all else of a run that is not finished.

    Parameters
    ----------
    jobs : sequence of RunsOfJob
        Jobs of the sweep.
    store : Store
        Where its runs are stored.
    sweep_dir : Path
        Folder of the sweep.

    Returns
    -------
    list of Leftover
        Largest first.
    """
    found = list[Leftover]()
    all_done = True
    for job in jobs:
        run_ids = [run.run_id for run in job.runs]
        done = [run_id for run_id in run_ids if store.is_finished(run_id)]
        all_done &= len(done) == len(run_ids)
        if len(done) == len(run_ids) and not is_held(run_ids, store):
            found += _files([store.checkpoint_path(job.job_id)], "checkpoint of a finished job")
        if not is_held(run_ids, store):
            for path in (store.checkpoint_path(job.job_id), *map(store.snapshot_path, run_ids)):
                found += _files(path.parent.glob(f".{escape(path.name)}.*"), "half-written checkpoint")
        for run_id in done:
            found += _files([store.snapshot_path(run_id)], "state of a trunk whose branch is finished")
            found += _files(store.run_dir(run_id).glob(".*"), "half-written file of a finished run")
    if all_done:
        found += _files((sweep_dir / LOGS).rglob("*"), "output of workers of a finished sweep")
    return sorted(found, key=lambda one: (-one.n_bytes, one.path))


def _files(paths: Iterable[Path], what: str) -> Iterator[Leftover]:
    return (Leftover(path, what, path.stat().st_size) for path in paths if path.is_file())
