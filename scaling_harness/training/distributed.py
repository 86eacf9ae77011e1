"""Train one run over several processes (torchrun): each takes its share of a batch, and gradients are averaged.

The gradients are one flat buffer, so that one all-reduce per step suffices and no wrapper is needed. Never run on GPUs
by the authors.
"""

import atexit
import os
from collections.abc import Sequence
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from scaling_harness.errors import CannotTrainHereError
from scaling_harness.training.oversight import Interrupted, Oversight

_LONGEST_WAIT = timedelta(days=1)
"""One process evaluates and writes while the others wait; a hang is ended sooner, by the claim (`runtime.hang_s`)."""


class Ranks:
    """Rank of this process and number of processes in a torchrun launch; one process without it."""

    def __init__(self) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))

    @property
    def writes(self) -> bool:
        """Whether this process writes the curve, the checkpoint and the record."""
        return self.rank == 0

    def join(self, device: str) -> str:
        """Connect the processes; return the device of this process, or raise `CannotTrainHereError` without it."""
        if device != "cpu" and self.size > 1:
            device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        _check_device(device)
        if ":" in device:
            torch.cuda.set_device(device)
        if self.size == 1:
            return device
        if not dist.is_initialized():
            backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
            dist.init_process_group(backend, timeout=_LONGEST_WAIT)
            # gloo's threads may still hold tensors; if these are freed after the interpreter, the process aborts
            atexit.register(dist.destroy_process_group)
        return device

    def of_first(self, numbers: Sequence[float]) -> list[float]:
        """Numbers of the first process, in all of them: it alone knows how earlier attempts ended."""
        if self.size == 1:
            return list(numbers)
        shared = torch.tensor(numbers, dtype=torch.float64)
        dist.broadcast(shared, 0)
        return shared.tolist()

    def average_(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over the processes."""
        if self.size > 1:
            dist.all_reduce(tensor)
            tensor /= self.size

    def average_part_(self, row_P: Tensor) -> None:
        """Replace this process's part of a row, one of `size` equal ones, by its mean over the processes."""
        part = row_P.new_empty(len(row_P) // self.size)
        scatter = getattr(dist, "reduce_scatter_single", dist.reduce_scatter_tensor)  # its name since torch 2.13
        scatter(part, row_P)
        row_P.chunk(self.size)[self.rank].copy_(part / self.size)

    def share_parts_(self, row_P: Tensor) -> None:
        """Fill a row, of which each process has its own part, with those of all."""
        gather = getattr(dist, "all_gather_single", dist.all_gather_into_tensor)  # its name since torch 2.13
        gather(row_P, row_P.chunk(self.size)[self.rank].clone())

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over the processes."""
        dist.all_reduce(tensor)
        return tensor

    def joined(self, part_RQ: Tensor) -> Tensor:
        """Put the parts of all processes side by side, in the memory of the one that writes; others get their own."""
        part_RQ = part_RQ.cpu()
        parts = [torch.empty_like(part_RQ) for _ in range(self.size)] if self.writes else None
        dist.gather(part_RQ, parts)
        return torch.cat(parts, 1) if parts else part_RQ

    def tick(self, oversight: Oversight, step: int) -> None:
        """Tell the oversight about a step; if one of the processes is to stop, all stop after the same step."""
        own_interruption = None
        try:
            oversight.tick(step)
        except Interrupted as interruption:
            own_interruption = interruption
        if self.any(own_interruption is not None):
            raise own_interruption or Interrupted(f"stopped at step {step} with another process")

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in at least one process; the same answer in all of them."""
        if self.size == 1:
            return flag
        flags = torch.tensor([flag], dtype=torch.uint8)
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)

    def wait(self) -> None:
        """Wait until all processes have come to this point."""
        if self.size > 1:
            dist.barrier()


def _check_device(device: str) -> None:
    """Refuse a GPU that is not there."""
    if device == "cpu":
        return
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = torch.device(device).index or 0
    if index >= there:
        seen = f"{there} CUDA device{'s' if there > 1 else ''}" if there else "no CUDA device"
        raise CannotTrainHereError(
            f"runtime.device is {device}, but torch {torch.__version__} finds {seen} here: train with "
            "runtime.device=cpu, name a device that is there, or install a build of torch for your GPU"
        )
