"""Share the device of this process between any number of runs, or reserve it for one."""

import contextlib
import fcntl
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scaling_harness.execution.attempts import lock


@contextlib.contextmanager
def place_on_device(runs_dir: Path, alone: bool) -> Iterator[bool]:
    """Reserve a place on this process's device, among the runs of a store, for the length of the block.

    Parameters
    ----------
    runs_dir : Path
        Folder of the store.
    alone : bool
        Whether no other run of the store may use the device meanwhile.

    Yields
    ------
    bool
        False if there is no such place now.
    """
    device = os.environ.get("CUDA_VISIBLE_DEVICES") or os.environ.get("SLURM_JOB_ID") or "machine"
    descriptor = os.open(_lock_file(runs_dir, device), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield lock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


@functools.cache
def _lock_file(runs_dir: Path, device: str) -> Path:
    """Path of the lock, on the machine's own disk because its memory is what is shared."""
    name = hashlib.sha256(f"{runs_dir.resolve()} {device}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"scaling-harness-{os.getuid()}-{name}.lock"
