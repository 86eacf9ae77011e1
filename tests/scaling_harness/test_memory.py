import pytest
import torch

from scaling_harness.memory import is_out_of_memory, kernel_kills, peak_memory_bytes


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
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


def test_the_kernel_tells_its_kills_and_peaks():
    assert kernel_kills() >= 0
    assert peak_memory_bytes() > 1 << 20
