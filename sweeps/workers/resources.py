"""Share a machine between processes: GPUs and their memory, threads, and the import path."""

import dataclasses
import os
import sys
from collections.abc import Sequence

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.training.memory import gpu_count


def visible_devices() -> list[str]:
    """Return the GPUs that this process may use; an empty list if there are none."""
    return [device for device in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]


def devices_for(runtime: RuntimeConfig) -> list[str]:
    """Return the GPUs among which processes of this machine are to be divided; none for a CPU or one named GPU."""
    if runtime.device != "cuda":
        return []
    return visible_devices() or [str(index) for index in range(gpu_count())]


def share_devices(slots: int, per_run: int, devices: Sequence[str]) -> list[dict[str, str]]:
    """Assign GPUs to slots.

    Parameters
    ----------
    slots : int
        Number of runs at once.
    per_run : int
        Number of GPUs of a run; slots share a GPU only if this is 1.
    devices : sequence of str
        Available GPUs.

    Returns
    -------
    list of dict
        Environment variables of each slot that select its GPUs.
    """
    if not devices:
        return [{} for _ in range(slots)]
    starts = (slot * per_run % len(devices) for slot in range(slots))
    return [{"CUDA_VISIBLE_DEVICES": ",".join(devices[start : start + per_run])} for start in starts]


def share_memory(runtime: RuntimeConfig, slots: int, per_run: int, devices: Sequence[str]) -> RuntimeConfig:
    """Limit a run to its share of a GPU's memory; see `share_devices`."""
    share = min(1.0, len(devices) / max(1, slots * per_run)) if devices else 1.0
    return dataclasses.replace(runtime, gpu_share=min(runtime.gpu_share, share))


def environment(threads: int) -> dict[str, str]:
    """Build the environment of a process: number of threads, and the import path of this process."""
    numbers = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {**os.environ, **numbers, **imports()}


def imports() -> dict[str, str]:
    """Build the variables by which other processes import what this one does, such as a user's own architecture.

    PYTHONSAFEPATH keeps `python -m` from putting the working directory first, where it could hide a package.
    """
    return {"PYTHONPATH": import_path(), "PYTHONSAFEPATH": "1"}


def import_path() -> str:
    """Return this process's import path as a PYTHONPATH."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)
