"""What `sweep run`, `extend`, `retry` and `probe` do: begin a sweep, go on with it, add to it, time it."""

import dataclasses

from scaling_harness.errors import UserError
from scaling_harness.record.provenance import code_version
from scaling_harness.record.store import Store
from sweeps.launchers.control import free_failed
from sweeps.launchers.preflight import check, check_version, start
from sweeps.launchers.table import launcher_of
from sweeps.planning.manifest import MANIFEST_FILE, Manifest, merge_jobs, read_manifest, write_manifest
from sweeps.status.run_status import status
from sweeps.timing.probe import Probe, prepare


def is_started(name: str, store: Store) -> bool:
    """Whether a sweep of that name has a list of runs."""
    return (store.sweep_dir(name) / MANIFEST_FILE).exists()


def begin_or_resume(manifest: Manifest, store: Store, mix_versions: bool = False) -> int:
    """Launch a sweep, or what is left of it.

    Parameters
    ----------
    manifest : Manifest
        As it is planned now.
    store : Store
        Where its runs live.
    mix_versions : bool
        Whether a sweep may go on with other code than it began with.

    Returns
    -------
    int
        The exit code; see `launch`.

    Raises
    ------
    UserError
        It has runs that the sweep was not started with, other code, or cannot be launched.
    HarnessError
        Runs failed.
    """
    manifest = _mixing(manifest, mix_versions)
    if not is_started(manifest.name, store):
        return launch(manifest, store)
    known = read_manifest(store.sweep_dir(manifest.name))
    new = {run.fingerprint for run in manifest.runs} - {run.fingerprint for run in known.runs}
    if new:
        raise UserError(
            f"{len(new)} of these {len(manifest.runs)} runs are not in the sweep {manifest.name} as it was "
            "started; add them with `scaling-harness sweep extend`, or start another one with sweep.name=NAME"
        )
    check_version(known.name, known.code, status(known.jobs, store), mix_versions)
    return launch(dataclasses.replace(manifest, jobs=known.jobs), store)


def extend(added: Manifest, store: Store) -> tuple[int, int]:
    """Add runs to a sweep that was started; they are trained by the next launch.

    Parameters
    ----------
    added : Manifest
        The sweep as it is planned now.
    store : Store
        Where its runs live.

    Returns
    -------
    tuple of int
        Runs that are new, and runs in all.
    """
    sweep_dir = store.sweep_dir(added.name)
    known = read_manifest(sweep_dir)
    # Launcher and version are those of what was launched, which this is not.
    jobs = merge_jobs(known.jobs, added.jobs)
    manifest = dataclasses.replace(added, jobs=jobs, launcher=known.launcher, code=known.code)
    write_manifest(sweep_dir, manifest)
    return len(manifest.runs) - len(known.runs), len(manifest.runs)


def retry_failed(name: str, store: Store, mix_versions: bool = False) -> int:
    """Free the failed runs of a sweep and launch it again.

    Parameters
    ----------
    name : str
        Of the sweep.
    store : Store
        Where its runs live.
    mix_versions : bool
        See `begin_or_resume`.

    Returns
    -------
    int
        The exit code; see `launch`.

    Raises
    ------
    UserError, HarnessError
        See `begin_or_resume`; nothing was freed if the code changed.
    """
    manifest = _mixing(read_manifest(store.sweep_dir(name)), mix_versions)
    rows = status(manifest.jobs, store)
    to_train = [dataclasses.replace(row, state="waiting") if row.state == "failed" else row for row in rows]
    check_version(name, manifest.code, to_train, mix_versions)
    freed = free_failed(rows, store)
    print(f"{len(freed)} failed runs of {name} are tried again")
    return launch(dataclasses.replace(manifest, code=code_version()), store) if freed else 0


def _mixing(manifest: Manifest, mix_versions: bool) -> Manifest:
    """The sweep; its workers learn whether several versions of an own architecture may be trained."""
    mix = manifest.runtime.mix_versions or mix_versions
    return dataclasses.replace(manifest, runtime=dataclasses.replace(manifest.runtime, mix_versions=mix))


def launch(manifest: Manifest, store: Store) -> int:
    """Check everything, write the list of runs, and have them trained.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs live.

    Returns
    -------
    int
        0, or 130 if it was interrupted.

    Raises
    ------
    UserError
        It cannot be launched; nothing was written.
    HarnessError
        Runs failed.
    """
    check(manifest, store)
    start(manifest, store)
    return 0 if launcher_of(manifest.launcher).start(manifest, store) else 130


def take_probe(manifest: Manifest, store: Store) -> Probe:
    """Time steps where the sweep would be trained.

    Parameters
    ----------
    manifest : Manifest
        The sweep.
    store : Store
        Where its runs would live.

    Returns
    -------
    Probe

    Raises
    ------
    UserError
        It cannot be launched.
    HarnessError
        The steps could not be taken.
    """
    check(manifest, store)
    folder = prepare(store.sweep_dir(manifest.name), manifest)
    return launcher_of(manifest.launcher).probe(folder, manifest.runtime)
