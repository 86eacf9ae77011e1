"""What a source of known entropy is: sequences made of uniform numbers, and the truth about each next token."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Process(Protocol):
    """A law of token sequences. W sequences, S tokens of each, V vocabulary."""

    def n_draws(self, n_tokens: int) -> int:
        """Count the uniform numbers that make a sequence of so many tokens."""
        ...

    def sequences(self, draws_WK: np.ndarray, n_tokens: int) -> np.ndarray:
        """Make sequences, int64 of shape (W, S), from uniform numbers in [0, 1)."""
        ...

    def entropies(self, n_tokens: int) -> np.ndarray:
        """Compute the exact entropy of each token after the first given those before it, nats, of shape (S - 1,)."""
        ...

    def probs(self, tokens_WS: np.ndarray) -> np.ndarray:
        """Compute the probabilities of each token after the first given those before it, of shape (W, S - 1, V)."""
        ...


def uniforms(key: Sequence[int], windows: np.ndarray, n: int) -> np.ndarray:
    """Draw n uniform numbers for each window, a function of the key and the window's index alone.

    Raw words of PCG64 instead of a Generator: NumPy promises that only these never change.

    Parameters
    ----------
    key : sequence of int
        Not negative.
    windows : ndarray of int
        Indices, not negative.
    n : int
        Numbers of each.

    Returns
    -------
    ndarray of shape (len(windows), n)
    """
    words = [np.random.PCG64([*key, int(w)]).random_raw(n) for w in windows]
    return (np.array(words, np.uint64).reshape(len(words), n) >> np.uint64(11)) * 2.0**-53


def entropy(probs: np.ndarray) -> np.ndarray:
    """Entropy along the last axis, nats."""
    return -np.sum(probs * np.log(probs, where=probs > 0, out=np.zeros_like(probs)), axis=-1)


def inverse_cdf(cumulated_WV: np.ndarray, draws_W: np.ndarray) -> np.ndarray:
    """Index of each row of cumulated weights at a uniform number."""
    return (draws_W[:, None] * cumulated_WV[:, -1:] >= cumulated_WV).sum(-1)


def zipf(n: int, exponent: float) -> np.ndarray:
    """Probabilities as rank to minus the exponent."""
    weights = np.arange(1, n + 1) ** -float(exponent)
    return weights / weights.sum()
