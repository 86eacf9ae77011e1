import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scaling_harness.training.memory import is_out_of_memory, limit_gpu_memory, oom_kill_count, peak_memory_bytes


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of range"), False),
    ],
)
def test_want_of_memory_is_told_from_other_errors(error, expected):
    assert is_out_of_memory(error) is expected


def test_what_torch_says_without_memory_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_a_gpus_memory_is_limited_and_freed_again(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *of: asked.append(of))
    for device, share in (("cuda", 0.25), ("cuda:1", 1.0), ("cpu", 0.5)):
        limit_gpu_memory(device, share)
    assert asked == [(0.25, None), (1.0, 1)]


def test_the_kernel_tells_its_kills(monkeypatch):
    said = "nr_free_pages 9\noom_kill 3\noom_kill_other 5\n"
    monkeypatch.setattr(Path, "read_text", lambda path: said if str(path) == "/proc/vmstat" else "")
    assert oom_kill_count() == 3
    monkeypatch.setattr(Path, "read_text", lambda path: "nr_free_pages 9\n")
    assert oom_kill_count() == 0


def test_the_peak_holds_what_this_process_took_in_bytes():
    block = np.ones(1 << 25)
    assert block.nbytes < peak_memory_bytes() < 100 * block.nbytes


def test_glibc_takes_the_settings():
    """In a process of its own: the settings last as long as the process."""
    code = "from scaling_harness.training.memory import keep_freed_memory; print(keep_freed_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(platform.libc_ver()[0] == "glibc")
