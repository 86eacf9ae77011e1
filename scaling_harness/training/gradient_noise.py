"""Measure |G|^2 and tr(Sigma) from exact gradients of single sequences; see `gradient_noise_scale`.

A small batch of one sequence has the least variance (Gray et al. 2024, arXiv 2411.00999). The sequences are the next
ones of the run, because it has not been trained on them and a training batch may hold a single one.

R run, B sequences, T time.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from scaling_harness.data.token_source import TokenSource
from scaling_harness.models.language_model import LanguageModel
from scaling_harness.record.gradient_noise_scale import unbiased

_FLOATS_AT_ONCE = 1 << 24
"""Number of floats in the gradients of sequences that are computed together: 64 MB."""


def next_windows(source: TokenSource, seed: int, step: int, n_seqs: int) -> np.ndarray:
    """Take the next sequences of a run, from the batches of `step` and later.

    Parameters
    ----------
    source : TokenSource
        Tokens of the run.
    seed : int
        Its seed.
    step : int
        Number of steps done.
    n_seqs : int
        Number of sequences.

    Returns
    -------
    ndarray of int64 and shape (n_seqs, n_ctx + 1)
    """
    windows = source.batch(seed, step)
    while len(windows) < n_seqs:
        step += 1
        windows = np.concatenate([windows, source.batch(seed, step)])
    return windows[:n_seqs]


def measure(model: LanguageModel, run: int, windows_BT: Tensor) -> tuple[float, float]:
    """Estimate |G|^2 and tr(Sigma) of one run, before clipping, without changing the model or random states.

    The model stays in training mode, since dropout is part of the noise of a step.

    Parameters
    ----------
    model : LanguageModel
        Model of R runs in lockstep.
    run : int
        Index of the run.
    windows_BT : Tensor
        Two sequences or more, int64, of n_ctx + 1 tokens each.

    Returns
    -------
    tuple of float
        |G|^2 and tr(Sigma) of the gradient of a sequence's mean loss.
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
    """Module whose forward is the loss, as `functional_call` needs it."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, windows_RBT: Tensor) -> Tensor:
        return self.model.loss(windows_RBT[..., :-1], windows_RBT[..., 1:])


def _sequence_gradients(model: LanguageModel, run: int, windows_BT: Tensor) -> Iterator[list[Tensor]]:
    """Compute gradients by parameter, with sequences on the first axis, a few sequences at a time."""
    stacked = model.has_run_axis
    loss, names = _Loss(model), [f"model.{name}" for name, _ in model.named_parameters()]
    own = [p.detach()[run : run + 1] if stacked else p.detach() for p in model.parameters()]
    at_once = max(1, _FLOATS_AT_ONCE // sum(p.numel() for p in own)) if stacked else 1
    for part_BT in windows_BT.split(at_once):
        # Here the run axis holds sequences: each is treated as a run, all with the same parameters.
        copies = [(p.expand(len(part_BT), *p.shape[1:]) if stacked else p).requires_grad_() for p in own]
        buffers = {
            f"model.{name}": (buffer[run : run + 1] if name in model.run_buffers else buffer).clone()
            for name, buffer in model.named_buffers()
        }
        loss_R = functional_call(loss, dict(zip(names, copies, strict=True)) | buffers, part_BT[:, None])
        gradients = torch.autograd.grad(loss_R.sum(), copies)
        yield list(gradients) if stacked else [g[None] for g in gradients]
