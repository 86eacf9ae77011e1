"""The memory a run used, may use, and keeps between steps. No torch, but on a GPU."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def forget_peak_memory() -> None:
    """Start the peak of resident memory anew, where the kernel allows it: a worker trains many runs."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes() -> int:
    """Largest resident memory since `forget_peak_memory`, or of the whole process where that is not known."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def limit_gpu_memory(device: str, share: float) -> None:
    """Let this process take a part of its GPU's memory, or all, so that one of several cannot starve the rest."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.set_per_process_memory_fraction(share, torch.device(device).index)


def kernel_kills() -> int:
    """Processes that the kernel of this machine has killed for want of memory since it started; 0 where it hides it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("oom_kill ")).split()[1])
    return 0


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a training, or a process it started, failed for want of memory of the machine or of its device."""
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in ("MemoryError", "DefaultCPUAllocator: can't allocate"))


def keep_freed_memory() -> bool:
    """Make glibc serve tensors from memory it keeps, so that a step does not map and fault its pages anew.

    Call it once, before the first step: up to 1.5 times the steps at N = 3e3, no more of them at 1e6 (one thread of a
    2-core x86-64).

    Returns
    -------
    bool
        False where the C library is not glibc and nothing was done.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: (1 << 31) - 1, _M_TOP_PAD: 64 << 20}
    return all(mallopt(option, value) == 1 for option, value in wanted.items())
