"""One SLURM a session; with pytest-xdist one for each of its processes, which so cannot disturb each other."""

import contextlib
import fcntl
import shutil

import pytest
from slurm_rig import Slurm, reason_it_cannot_run
from slurm_sweep import SLOW_S, Folders, Sweep


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A controller and four idle nodes."""
    if reason := reason_it_cannot_run():
        pytest.skip(f"no SLURM here: {reason}")
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture(scope="session")
def _common(tmp_path_factory):
    """A folder that all processes of pytest-xdist have in common, and a lock on it."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if base.name.startswith("popen-") else base

    @contextlib.contextmanager
    def locked():
        with (folder / "common.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield folder

    return locked


@pytest.fixture(scope="session")
def folders(_common, corpus):
    """One corpus for all: the same text, and the same path."""
    with _common() as common:
        mine = Folders(common / "cluster.txt", common / "tokens")
        if not mine.corpus.exists():
            shutil.copy(corpus, mine.corpus)
    return mine


@pytest.fixture(scope="session")
def reference(_common, folders):
    """The sweep that nobody disturbs, trained once by the local launcher."""
    with _common() as common:
        sweep = Sweep(common / "reference", folders, doomed=True)
        if not sweep.store.sweep_dir(sweep.name).exists():
            sweep.call("run", "runtime.workers=2")
    assert len(sweep.records()) == len(sweep.run_ids) == 8
    return sweep


@pytest.fixture
def make_sweep(slurm, folders, tmp_path):
    """Describe a sweep on SLURM, slow until it is told to finish; no job is left of it."""

    def make(**options):
        sweep = Sweep(tmp_path, folders, slurm, **options)
        sweep.pace(SLOW_S)
        return sweep

    yield make
    slurm.clear()
