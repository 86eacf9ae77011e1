"""A tiny architecture whose pace a file sets, and two that a file dooms: a test acts while a run cannot yet be over."""

import os
import signal
import time
from pathlib import Path

from scaling_harness.models.architecture import Architecture

PACE, DOOM = "RIG_PACE", "RIG_DOOM"
"""Environment variables: files. The first holds seconds a step, none where it is absent; while the second exists,
`raises` and `killed` do as they are called at their third step."""


def decoder(model, vocab_size):
    """Train well."""
    return _architecture(model, vocab_size, lambda: None)


def raises(model, vocab_size):
    """Raise, always."""

    def fail():
        raise ValueError("this run cannot succeed")

    return _architecture(model, vocab_size, fail)


def killed(model, vocab_size):
    """Die as an out-of-memory killer would have it, always."""
    return _architecture(model, vocab_size, lambda: os.kill(os.getpid(), signal.SIGKILL))


def _architecture(model, vocab_size, doom):
    width = model.d_model
    params = {"embedding": vocab_size * width, "mlp": width * width, "head": vocab_size * width}
    return Architecture(params, 6.0 * (width * width + vocab_size * width), lambda: _build(width, vocab_size, doom))


def _build(width, vocab_size, doom):
    import torch
    from torch import nn

    class Paced(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(vocab_size, width)
            self.mlp = nn.Linear(width, width, bias=False)
            self.head = nn.Linear(width, vocab_size, bias=False)
            self.steps = 0

        def forward(self, tokens_BT):
            if torch.is_grad_enabled():
                self.steps += 1
                time.sleep(_pause_s())
                if self.steps == 3 and Path(os.environ.get(DOOM, "/nonexistent")).exists():
                    doom()
            return self.head(torch.relu(self.mlp(self.embedding(tokens_BT))))

    return Paced()


def _pause_s():
    try:
        return float(Path(os.environ[PACE]).read_text() or 0)
    except (KeyError, FileNotFoundError):
        return 0.0
