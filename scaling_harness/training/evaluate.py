"""Evaluate a model on fixed windows of held-out tokens. B windows, T time, V vocabulary."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from scaling_harness.models.language_model import LanguageModel
from scaling_harness.record.record import EvalLoss

_LOGITS_AT_ONCE = 1 << 20
N_BLOCKS = 64
"""Parts of the text whose means are kept, so that models can be compared part by part."""


@torch.no_grad()
def evaluate(model: LanguageModel, windows: np.ndarray, vocab_size: int, device: str) -> EvalLoss:
    """Compute the mean loss of a run over windows, with the model in `eval()`: no dropout, norms by running averages.

    Parameters
    ----------
    model : LanguageModel
        Model of one run; `LanguageModel.alone` takes it out of a stack.
    windows : ndarray of int64 and shape (n_windows, n_ctx + 1)
        Result of `batches.evaluation_windows`.
    vocab_size : int
        Size of the vocabulary, which decides how many windows are computed at once.
    device : str
        Device of the model.

    Returns
    -------
    EvalLoss
        Its standard error assumes that windows are independent, so it is slightly too small.
    """
    n_ctx = windows.shape[1] - 1
    at_once = max(1, _LOGITS_AT_ONCE // (vocab_size * n_ctx))
    parts = []
    with _evaluating(model, device):
        for start in range(0, len(windows), at_once):
            tokens_1BT = torch.from_numpy(windows[start : start + at_once]).to(device)[None]
            losses_1BT = model.token_losses(tokens_1BT[:, :, :-1], tokens_1BT[:, :, 1:])
            parts.append(losses_1BT.double().mean(-1))
    losses_B = torch.cat(parts, dim=1)[0].cpu().numpy()
    stderr = losses_B.std(ddof=min(1, len(windows) - 1)) / len(windows) ** 0.5
    blocks = np.array_split(losses_B, N_BLOCKS) if len(windows) >= N_BLOCKS else []
    means = [round(float(block.mean()), 5) for block in blocks]
    return EvalLoss(float(losses_B.mean()), float(stderr), len(windows) * n_ctx, means)


@contextlib.contextmanager
def _evaluating(model: nn.Module, device: str) -> Iterator[None]:
    """Put a model into `eval()`, then restore the mode of each of its modules and the state of random numbers."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.random.fork_rng([device] if device.startswith("cuda") else []):
            yield
    finally:
        for module, training in modes:
            module.training = training
