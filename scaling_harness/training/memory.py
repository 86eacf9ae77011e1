"""Memory of a run: its peak, its limit, and the allocator's settings."""

import contextlib
import ctypes
import re
import resource
import sys
from pathlib import Path

_SIGNS = ("MemoryError", "DefaultCPUAllocator: can't allocate", "out of memory", "STATUS_ALLOC_FAILED")
"""What torch, CUDA, cuBLAS and NCCL say of memory that ran out."""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def forget_peak_memory() -> None:
    """Reset the peaks of resident memory, if the kernel allows it, and of the GPU: a worker trains many runs."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(device: str = "cpu") -> int:
    """Largest resident memory since `forget_peak_memory`, or since the process started if that is not known.

    On a GPU the largest memory of tensors there.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) if torch.cuda.is_available() else 0
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def limit_gpu_memory(device: str, share: float) -> None:
    """Limit this process to a share of its GPU's memory, so that one of several cannot starve the others."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.set_per_process_memory_fraction(share, torch.device(device).index)


def gpu_count() -> int:
    """Number of GPUs of this machine that torch sees."""
    import torch

    return torch.cuda.device_count()


def gpu_bytes(device: str, share: float) -> float | None:
    """Memory that this process may use of its GPU; None on a CPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    return share * torch.cuda.get_device_properties(torch.device(device)).total_memory


def oom_kill_count() -> int:
    """Number of processes that this machine's kernel has killed out of memory since boot; 0 if it does not say."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("oom_kill ")).split()[1])
    return 0


def micro_batch_words(n_seqs: int) -> str:
    """Words for the reason of an attempt that ran out of memory, as `micro_batch_in` reads them."""
    return f"out of memory with {n_seqs} contexts at once"


def micro_batch_in(reason: str) -> int | None:
    """Number of contexts in `micro_batch_words`; None if the reason, as of a kill by the kernel, does not say."""
    found = re.search(r"out of memory with (\d+) contexts at once", reason)
    return int(found[1]) if found else None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a training, or a process it started, ran out of memory on the machine or its device."""
    text = f"{type(error).__name__}: {error}"
    return any(sign in text for sign in _SIGNS)


def keep_freed_memory() -> bool:
    """Make glibc reuse the memory of freed tensors, so that a step does not map and fault its pages again.

    Call it once, before the first step. It gave up to 1.5 times as many steps a second at N = 3e3 and no more at 1e6
    (one thread of a 2-core x86-64).

    Returns
    -------
    bool
        False if the C library is not glibc and nothing was done.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_M_MMAP_THRESHOLD: 1 << 30, _M_TRIM_THRESHOLD: (1 << 31) - 1, _M_TOP_PAD: 64 << 20}
    return all(mallopt(option, value) == 1 for option, value in wanted.items())
