"""Losses on fixed windows of held-out tokens. B windows, T time, V vocabulary."""

import numpy as np
import torch

from scaling_harness.models.language_model import LanguageModel
from scaling_harness.record.record import EvalLoss

_LOGITS_AT_ONCE = 1 << 20


@torch.no_grad()
def evaluate(model: LanguageModel, windows: np.ndarray, vocab_size: int, device: str) -> EvalLoss:
    """Mean loss of a run over windows.

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
    for start in range(0, len(windows), at_once):
        tokens_1BT = torch.from_numpy(windows[start : start + at_once]).to(device)[None]
        losses_1BT = model.token_losses(tokens_1BT[:, :, :-1], tokens_1BT[:, :, 1:])
        parts.append(losses_1BT.double().mean(-1).cpu())
    losses_B = torch.cat(parts, dim=1).numpy()[0]
    stderr = losses_B.std(ddof=min(1, len(windows) - 1)) / len(windows) ** 0.5
    return EvalLoss(float(losses_B.mean()), float(stderr), len(windows) * n_ctx)
