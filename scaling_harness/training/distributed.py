"""One run over several processes (torchrun): each takes its share of a batch, gradients are averaged in one piece.

The flat gradient buffer makes a wrapper unnecessary: one all-reduce a step. Never run on GPUs by the authors.
"""

import atexit
import os

import torch
import torch.distributed as dist
from torch import Tensor

from scaling_harness.training.oversight import Interrupted, Oversight


class Ranks:
    """Where this process stands in a torchrun launch; alone without one."""

    def __init__(self) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))

    @property
    def writes(self) -> bool:
        """Whether this process keeps the curve, the checkpoint and the record."""
        return self.rank == 0

    def join(self, device: str) -> str:
        """Connect the processes; return the device of this one."""
        if self.size == 1:
            return device
        if not dist.is_initialized():
            dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
            # gloo's threads may still hold tensors: freed after the interpreter has gone, they abort the process
            atexit.register(dist.destroy_process_group)
        if device == "cuda":
            device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
            torch.cuda.set_device(device)
        return device

    def average_(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over the processes."""
        if self.size > 1:
            dist.all_reduce(tensor)
            tensor /= self.size

    def tick(self, oversight: Oversight, step: int) -> None:
        """Tell the oversight of a step; where one of the processes is to stop, all do, after the same step."""
        order = None
        try:
            oversight.tick(step)
        except Interrupted as interrupted:
            order = interrupted
        if self._any(order is not None):
            raise order or Interrupted(f"stopped at step {step} with another process")

    def _any(self, flag: bool) -> bool:
        """Whether it is true in one of the processes at least; the same answer in all."""
        if self.size == 1:
            return flag
        said = torch.tensor([flag], dtype=torch.uint8)
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said)

    def wait(self) -> None:
        """Let all processes come to the same point."""
        if self.size > 1:
            dist.barrier()
