"""|G|^2 and tr(Sigma) at a point of training, from exact gradients of single sequences; see `noise_scale`.

A small batch of one sequence is the one of least variance (Gray et al. 2024, arXiv 2411.00999). The sequences are those
that the run will see next: it has not been trained on them, and the training batch itself may be a single one.

R run, B sequences, T time.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from scaling_harness.data.batches import BatchSampler
from scaling_harness.models.language_model import LanguageModel
from scaling_harness.record.gradient_noise_scale import unbiased

_FLOATS_AT_ONCE = 1 << 24
"""Floats that gradients of single sequences may take together: 64 MB."""


def next_windows(sampler: BatchSampler, step: int, n_seqs: int) -> np.ndarray:
    """The first sequences of the batches from `step` on.

    Parameters
    ----------
    sampler : BatchSampler
        Of the run.
    step : int
        Steps done.
    n_seqs : int
        How many.

    Returns
    -------
    ndarray of int64 and shape (n_seqs, n_ctx + 1)
    """
    windows = sampler.batch(step)
    while len(windows) < n_seqs:
        step += 1
        windows = np.concatenate([windows, sampler.batch(step)])
    return windows[:n_seqs]


def measure(model: LanguageModel, run: int, windows_BT: Tensor) -> tuple[float, float]:
    """Estimate |G|^2 and tr(Sigma) of one run, before clipping; nothing of the model or of random states changes.

    The model stays in the mode it trains in: dropout is part of the noise that a step has.

    Parameters
    ----------
    model : LanguageModel
        R runs in lockstep.
    run : int
        Which of them.
    windows_BT : Tensor
        Two sequences or more, int64, of n_ctx + 1 tokens each.

    Returns
    -------
    tuple of float
        Of the gradient of a sequence's mean loss.
    """
    sums: list[Tensor] = []
    squares: list[Tensor] = []
    with torch.random.fork_rng([windows_BT.device] if windows_BT.is_cuda else []):
        for gradients in _sequence_gradients(model, run, windows_BT):
            squares.append(torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0))
            added = [g.sum(0) for g in gradients]
            sums = [a + b for a, b in zip(sums, added, strict=True)] if sums else added
    n_seqs = len(windows_BT)
    square_of_sum = torch.stack([g.square().sum() for g in sums]).double().sum()
    return unbiased(float(torch.cat(squares).double().mean()), float(square_of_sum) / n_seqs**2, n_seqs)


class _Loss(nn.Module):
    """The loss as a module's forward, which is what `functional_call` calls."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, windows_RBT: Tensor) -> Tensor:
        return self.model.loss(windows_RBT[..., :-1], windows_RBT[..., 1:])


def _sequence_gradients(model: LanguageModel, run: int, windows_BT: Tensor) -> Iterator[list[Tensor]]:
    """Gradients by parameter, the first axis for sequences, a few sequences at a time."""
    stacked = model.has_run_axis
    loss, names = _Loss(model), [f"model.{name}" for name, _ in model.named_parameters()]
    own = [p.detach()[run : run + 1] if stacked else p.detach() for p in model.parameters()]
    at_once = max(1, _FLOATS_AT_ONCE // sum(p.numel() for p in own)) if stacked else 1
    for part_BT in windows_BT.split(at_once):
        # The run axis holds sequences here: each is a run of its own, all from the same parameters.
        copies = [(p.expand(len(part_BT), *p.shape[1:]) if stacked else p).requires_grad_() for p in own]
        buffers = {f"model.{name}": buffer.clone() for name, buffer in model.named_buffers()}
        loss_R = functional_call(loss, dict(zip(names, copies, strict=True)) | buffers, part_BT[:, None])
        gradients = torch.autograd.grad(loss_R.sum(), copies)
        yield list(gradients) if stacked else [g[None] for g in gradients]
