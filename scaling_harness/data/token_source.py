"""Where a run's tokens come from: the one interface that the trainer, the stack and the evaluation know.

A source is opened once for a job, whose runs have one context length and one batch; nothing that it gives depends on
what it gave before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Truth:
    """What is known of a source whose law is known; T targets of a window."""

    entropies_T: np.ndarray
    """Exact entropy of each target given the tokens before it in its window, nats."""
    probs: Callable[[np.ndarray], np.ndarray]
    """Windows (W, T + 1) -> the true probabilities (W, T, V) of each target given those tokens."""


class TokenSource(Protocol):
    """Tokens of training and evaluation, in windows of n_ctx inputs and one more token as the last target."""

    def batch(self, seed: int, i: int) -> np.ndarray:
        """Gather a training batch of a run; inputs are `[:, :-1]`, targets `[:, 1:]`.

        Parameters
        ----------
        seed : int
            Seed of the run, not negative.
        i : int
            Index of the batch from 0; there is no last one.

        Returns
        -------
        ndarray of int64 and shape (batch_seqs, n_ctx + 1)
        """
        ...

    @property
    def evaluation_sets(self) -> tuple[str, ...]:
        """Names of what final losses are of: `valid`, `test` if there is one, and other distributions."""
        ...

    def evaluation_windows(self, name: str, n_tokens: int) -> np.ndarray:
        """Give the windows of an evaluation set that every loss on so many tokens is a mean over.

        Parameters
        ----------
        name : str
            One of `evaluation_sets`.
        n_tokens : int
            Number of targets, rounded up to whole windows; fewer if there are not so many.

        Returns
        -------
        ndarray of int64 and shape (n_windows, n_ctx + 1)
        """
        ...

    @property
    def truth(self) -> Truth | None:
        """The law of the tokens, if it is known."""
        ...
