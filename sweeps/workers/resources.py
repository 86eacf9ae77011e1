"""What each of several processes side by side on one machine gets: GPUs, a part of their memory, threads, imports."""

import dataclasses
import os
import sys
from collections.abc import Sequence

from scaling_harness.config.schema import RuntimeConfig


def visible_devices() -> list[str]:
    """GPUs that this process was given; none for a machine without."""
    return [device for device in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]


def share_devices(slots: int, per_run: int, devices: Sequence[str]) -> list[dict[str, str]]:
    """Give each slot its GPUs.

    Parameters
    ----------
    slots : int
        Runs at once.
    per_run : int
        GPUs of a run; several slots share one only where it is 1.
    devices : sequence of str
        Those there are.

    Returns
    -------
    list of dict
        The environment that says so, for each slot.
    """
    if not devices:
        return [{} for _ in range(slots)]
    starts = (slot * per_run % len(devices) for slot in range(slots))
    return [{"CUDA_VISIBLE_DEVICES": ",".join(devices[start : start + per_run])} for start in starts]


def share_memory(runtime: RuntimeConfig, slots: int, per_run: int, devices: Sequence[str]) -> RuntimeConfig:
    """Give each slot its part of a GPU's memory; see `share_devices`."""
    share = min(1.0, len(devices) / (slots * per_run)) if devices else 1.0
    return dataclasses.replace(runtime, gpu_share=min(runtime.gpu_share, share))


def environment(threads: int) -> dict[str, str]:
    """Build the environment of a process with so many threads, in which can be imported what can be here."""
    numbers = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {**os.environ, **numbers, "PYTHONPATH": import_path()}


def import_path() -> str:
    """What can be imported here, as PYTHONPATH of another process: a user's own architecture, for one."""
    return os.pathsep.join(entry or os.getcwd() for entry in sys.path)
