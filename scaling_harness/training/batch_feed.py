"""Bring the batches of runs to their device, on a GPU ahead of time. R run, B sequences, T time."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaling_harness.data.token_source import TokenSource


class BatchFeed:
    """Batches of runs in lockstep, step by step.

    Parameters
    ----------
    source : TokenSource
        Tokens; nobody else may read training batches from it meanwhile, because a source may cache what it gave.
    seeds : sequence of int
        Seed of each run.
    part : slice
        Sequences of a batch that are this process's share.
    device : str
        Device of the batches.
    ahead : bool
        Whether a thread gathers the next batch during a step. It changes no batch.
    """

    def __init__(self, source: TokenSource, seeds: Sequence[int], part: slice, device: str, ahead: bool) -> None:
        self._source, self._seeds, self._part, self._device = source, seeds, part, device
        self._thread = ThreadPoolExecutor(1, "batches", partial(_use, device)) if ahead else None
        self._next: tuple[int, Future[Tensor]] | None = None

    def batch(self, step: int) -> Tensor:
        """Return batch_RBT of a 0-based step, with n_ctx + 1 tokens of each sequence."""
        if self._thread is None:
            return torch.from_numpy(self._gather(step)).to(self._device)
        at, gathered = self._next or (-1, None)
        if gathered is None or at != step:
            gathered = self._thread.submit(self._pinned, step)
        batch_RBT = gathered.result()
        self._next = step + 1, self._thread.submit(self._pinned, step + 1)
        return batch_RBT.to(self._device, non_blocking=True)

    def call(self, function: Callable[..., np.ndarray], *arguments: Any) -> np.ndarray:
        """Call a function of the source, while no batch is read from it."""
        if self._thread is None:
            return function(self._source, *arguments)
        return self._thread.submit(function, self._source, *arguments).result()

    def close(self) -> None:
        """End the thread."""
        if self._thread:
            self._thread.shutdown(cancel_futures=True)

    def _gather(self, step: int) -> np.ndarray:
        return np.stack([self._source.batch(seed, step) for seed in self._seeds])[:, self._part]

    def _pinned(self, step: int) -> Tensor:
        batch_RBT = torch.from_numpy(self._gather(step))
        return batch_RBT.pin_memory() if _is_gpu(self._device) else batch_RBT


def to_device(values: Sequence[float], device: torch.device) -> Tensor:
    """Copy numbers to a device without waiting for it."""
    tensor = torch.tensor(values)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def _use(device: str) -> None:
    if (index := torch.device(device).index) is not None:
        torch.cuda.set_device(index)  # pinned memory belongs to a context, which would else be that of the first GPU


def _is_gpu(device: str) -> bool:
    return device.startswith("cuda")
