"""Losses on fixed windows of held-out tokens. B windows, T time, V vocabulary."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from scaling_harness.models.language_model import LanguageModel
from scaling_harness.record.record import EvalLoss

_LOGITS_AT_ONCE = 1 << 20


@torch.no_grad()
def evaluate(model: LanguageModel, windows: np.ndarray, vocab_size: int, device: str) -> EvalLoss:
    """Mean loss of a run over windows, the model in `eval()`: without dropout, norms by their running averages.

    Parameters
    ----------
    model : LanguageModel
        Of one run: `LanguageModel.alone` takes it out of a stack.
    windows : ndarray of int64 and shape (n_windows, n_ctx + 1)
        Of `batches.evaluation_windows`.
    vocab_size : int
        V: decides how many windows are computed at once.
    device : str
        Where the model is.

    Returns
    -------
    EvalLoss
        The standard error takes windows as independent, so it is a little too small.
    """
    n_ctx = windows.shape[1] - 1
    at_once = max(1, _LOGITS_AT_ONCE // (vocab_size * n_ctx))
    parts = []
    with _evaluating(model, device):
        for start in range(0, len(windows), at_once):
            tokens_1BT = torch.from_numpy(windows[start : start + at_once]).to(device)[None]
            losses_1BT = model.token_losses(tokens_1BT[:, :, :-1], tokens_1BT[:, :, 1:])
            parts.append(losses_1BT.double().mean(-1).cpu())
    losses_B = torch.cat(parts, dim=1).numpy()[0]
    stderr = losses_B.std(ddof=min(1, len(windows) - 1)) / len(windows) ** 0.5
    return EvalLoss(float(losses_B.mean()), float(stderr), len(windows) * n_ctx)


@contextlib.contextmanager
def _evaluating(model: nn.Module, device: str) -> Iterator[None]:
    """Put a model into `eval()`; each of its modules goes back to the mode it was in, random numbers to their state."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.random.fork_rng([device] if device.startswith("cuda") else []):
            yield
    finally:
        for module, training in modes:
            module.training = training
