"""Losses on fixed windows of held-out tokens. R run, B windows, T time, V vocabulary."""

import numpy as np
import torch

from scaling_harness.model import LanguageModel
from scaling_harness.record import EvalLoss

_LOGITS_AT_ONCE = 1 << 20


@torch.no_grad()
def evaluate(model: LanguageModel, windows: np.ndarray, vocab_size: int, device: str) -> list[EvalLoss]:
    """Mean loss of each run over the same windows.

    Parameters
    ----------
    model : LanguageModel
        R runs in lockstep.
    windows : ndarray of int64 and shape (n_windows, n_ctx + 1)
        Of `batches.evaluation_windows`.
    vocab_size : int
        V: decides how many windows are computed at once.
    device : str
        Where the model is.

    Returns
    -------
    list of EvalLoss
        One a run. The standard error takes windows as independent, so it is a little too small.
    """
    n_ctx = windows.shape[1] - 1
    at_once = max(1, _LOGITS_AT_ONCE // (vocab_size * n_ctx))
    parts = []
    for start in range(0, len(windows), at_once):
        tokens_BT = torch.from_numpy(windows[start : start + at_once]).to(device)
        tokens_RBT = tokens_BT.expand(model.n_runs, *tokens_BT.shape)
        losses_RBT = model.token_losses(tokens_RBT[:, :, :-1], tokens_RBT[:, :, 1:])
        parts.append(losses_RBT.double().mean(-1).cpu())
    losses_RB = torch.cat(parts, dim=1).numpy()
    stderr_R = losses_RB.std(axis=1, ddof=min(1, len(windows) - 1)) / len(windows) ** 0.5
    n_tokens = len(windows) * n_ctx
    return [
        EvalLoss(float(mean), float(stderr), n_tokens)
        for mean, stderr in zip(losses_RB.mean(axis=1), stderr_R, strict=True)
    ]
