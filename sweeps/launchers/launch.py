"""A sweep launched, or timed, by whatever launcher it names."""

from scaling_harness.record.store import Store
from sweeps.launchers.preflight import check, start
from sweeps.launchers.table import launcher_of
from sweeps.planning.manifest import Manifest
from sweeps.timing.probe import Probe, prepare


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
