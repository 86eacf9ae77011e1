"""Evaluate a model on fixed windows of held-out tokens. B windows, T time, V vocabulary."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from scaling_harness.data.token_source import Truth
from scaling_harness.models.language_model import LanguageModel
from scaling_harness.record.record import EvalLoss

_LOGITS_AT_ONCE, _LOGITS_ON_GPU = 1 << 20, 1 << 27
"""Number of logits: what a core's caches hold, and half a GB, since each forward pass costs a GPU a millisecond."""
N_BLOCKS = 64
"""Parts of the text whose means are kept, so that models can be compared part by part."""


@torch.no_grad()
def evaluate(
    model: LanguageModel,
    windows: np.ndarray,
    vocab_size: int,
    device: str,
    truth: Truth | None = None,
    by_position: bool = False,
) -> EvalLoss:
    """Compute the mean loss of a run over windows, with the model in `eval()`: no dropout, norms by running averages.

    Where the law of the tokens is known the loss is the exact entropy and the mean divergence from that law, so that
    neither the targets that were drawn nor how uncertain their contexts are adds noise.

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
    truth : Truth, optional
        Law of the tokens.
    by_position : bool
        Whether to keep the means by position in the context too.

    Returns
    -------
    EvalLoss
        Its standard error assumes that windows are independent, so it is slightly too small.
    """
    n_ctx = windows.shape[1] - 1
    at_once = _windows_at_once(vocab_size * n_ctx, device)
    parts: list[torch.Tensor] = []
    total_T = torch.zeros(n_ctx, dtype=torch.double)
    with _evaluating(model, device):
        for start in range(0, len(windows), at_once):
            tokens_1BT = torch.from_numpy(windows[start : start + at_once]).to(device)[None]
            if truth is None:
                losses_1BT = model.token_losses(tokens_1BT[:, :, :-1], tokens_1BT[:, :, 1:])
            else:
                probs_BTV = torch.from_numpy(truth.probs(windows[start : start + at_once])).to(device)
                losses_1BT = _divergences(model(tokens_1BT[:, :, :-1]), probs_BTV)
            parts.append(losses_1BT.double().mean(-1))
            if by_position:
                total_T += losses_1BT.double().sum((0, 1)).cpu()
    entropy = None if truth is None else float(truth.entropies_T.mean())
    losses_B = torch.cat(parts, dim=1)[0].cpu().numpy() + (entropy or 0.0)
    stderr = losses_B.std(ddof=min(1, len(windows) - 1)) / len(windows) ** 0.5
    blocks = np.array_split(losses_B, N_BLOCKS) if len(windows) >= N_BLOCKS else []
    means = [round(float(block.mean()), 5) for block in blocks]
    positions_T = total_T.numpy() / len(windows) + (0.0 if truth is None else truth.entropies_T)
    positions = [round(float(loss), 5) for loss in positions_T] if by_position else []
    return EvalLoss(float(losses_B.mean()), float(stderr), len(windows) * n_ctx, means, positions, entropy)


@torch.no_grad()
def exact_matches(
    model: LanguageModel,
    windows: np.ndarray,
    lengths: Sequence[int],
    vocab_size: int,
    device: str,
    truth: Truth | None = None,
) -> list[list[int]]:
    """Count the answers that a run gives without an error, each token its most probable one.

    An answer is so many tokens in a row that do not overlap with another. As it is wrong from its first error on, the
    tokens before each one may be the right ones.

    Parameters
    ----------
    model, windows, vocab_size, device, truth
        As for `evaluate`. If the law of the tokens is known and determines some of them, answers are of those alone.
    lengths : sequence of int
        Numbers of tokens.

    Returns
    -------
    list of [int, int, int]
        Of each length: itself, the answers without an error, all answers.
    """
    n_ctx = windows.shape[1] - 1
    at_once = _windows_at_once(vocab_size * n_ctx, device)
    determined_T = np.zeros(n_ctx, bool) if truth is None else truth.entropies_T == 0
    parts = []
    with _evaluating(model, device):
        for start in range(0, len(windows), at_once):
            tokens_BT = torch.from_numpy(windows[start : start + at_once]).to(device)
            guesses_BT = model(tokens_BT[None, :, :-1])[0].argmax(-1)
            parts.append((guesses_BT == tokens_BT[:, 1:]).cpu().numpy())
    right_BA = np.concatenate(parts)[:, determined_T if determined_T.any() else slice(None)]
    return [_counted(right_BA, length) for length in lengths]


def _windows_at_once(logits: int, device: str) -> int:
    """Number of windows of so many logits in one forward pass."""
    return max(1, (_LOGITS_ON_GPU if device.startswith("cuda") else _LOGITS_AT_ONCE) // logits)


def _counted(right_BA: np.ndarray, length: int) -> list[int]:
    """An answer's number of tokens, the answers whose tokens are all right, all answers."""
    n_windows, n_tokens = right_BA.shape
    per_window = n_tokens // length
    whole = right_BA[:, : per_window * length].reshape(n_windows, per_window, length).all(-1)
    return [length, int(whole.sum()), whole.size]


def _divergences(logits_1BTV: Tensor, probs_BTV: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the model's law of each token from the true one, nats."""
    logits_BTV = logits_1BTV[0].float()
    return (torch.logsumexp(logits_BTV, -1) + (torch.xlogy(probs_BTV, probs_BTV) - probs_BTV * logits_BTV).sum(-1))[
        None
    ]


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
