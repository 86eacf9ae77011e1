"""Choose the tokens of each batch: batch i is a function of (seed, i) alone.

The training tokens are cut in windows of n_ctx inputs, each with one more token as the last target. Every epoch visits
each window once, in an order keyed by (seed, epoch). No state is carried from one batch to the next, so that a run
resumed at any step, or stacked with others, sees the same batches.
"""

import numpy as np

from scaling_harness.data.token_shards import ShardWindows, TokenShards
from scaling_harness.errors import UserError

_SUBSET_KEY = 20200123
"""Key of the order in which windows join a subset, apart from every seed's order of an epoch."""


def n_unique_tokens(n_tokens: int, n_ctx: int, train_tokens: int | None = None) -> int:
    """Count the training tokens that an epoch visits: whole contexts, without the last target.

    Parameters
    ----------
    n_tokens : int
        Length of the token file, in tokens.
    n_ctx : int
        Context length, in tokens.
    train_tokens : int, optional
        Size of the subset that is trained on, `data.train_tokens`.

    Returns
    -------
    int
        A positive multiple of `n_ctx`.

    Raises
    ------
    UserError
        There are too few tokens for one context, or for the subset.

    Examples
    --------
    >>> n_unique_tokens(1000, n_ctx=128)
    896
    >>> n_unique_tokens(1000, n_ctx=128, train_tokens=300)
    256
    """
    available = _n_windows(n_tokens, n_ctx, "the training split") * n_ctx
    if train_tokens is None:
        return available
    if not n_ctx <= train_tokens <= available:
        raise UserError(
            f"data.train_tokens is {train_tokens}: a subset has at least one context of {n_ctx} tokens and at most the "
            f"{available} of the training split"
        )
    return train_tokens // n_ctx * n_ctx


def evaluation_windows(
    tokens: np.ndarray | TokenShards, n_ctx: int, n_tokens: int, name: str = "the validation split"
) -> np.ndarray:
    """Cut a fixed slice for evaluation: windows that do not overlap, spread evenly from the first token on.

    Parameters
    ----------
    tokens : ndarray of shape (n,), or TokenShards
        Validation tokens, or tokens of another evaluation set.
    n_ctx : int
        Context length, in tokens.
    n_tokens : int
        Number of targets; rounded up to whole windows, and limited to the tokens there are.
    name : str
        Name of these tokens in an error message.

    Returns
    -------
    ndarray of int64 and shape (n_windows, n_ctx + 1)

    Raises
    ------
    UserError
        There are too few tokens for one context.
    """
    available = _n_windows(len(tokens), n_ctx, name)
    wanted = min(available, max(1, -(-n_tokens // n_ctx)))
    starts = np.arange(wanted) * available // wanted * n_ctx
    return _windows(tokens, n_ctx)[starts].astype(np.int64)


class BatchSampler:
    """Batches of windows of the training tokens.

    Parameters
    ----------
    tokens : ndarray of shape (n,), or TokenShards
        Training tokens, such as a memory map; they are never copied.
    n_ctx : int
        Context length, in tokens.
    batch_seqs : int
        Windows per batch.
    seed : int
        Seed of the order, not negative.
    train_tokens : int, optional
        Visit only a random subset of the windows, of so many tokens: the same one for every seed.

    Raises
    ------
    UserError
        There are too few tokens for one context, or for the subset.
    """

    def __init__(
        self,
        tokens: np.ndarray | TokenShards,
        n_ctx: int,
        batch_seqs: int,
        seed: int,
        train_tokens: int | None = None,
    ) -> None:
        self._n_windows = n_unique_tokens(len(tokens), n_ctx, train_tokens) // n_ctx
        self._subset = None if train_tokens is None else _subset(len(tokens), n_ctx, self._n_windows)
        self._windows = _windows(tokens, n_ctx)
        self._n_ctx = n_ctx
        self._batch_seqs = batch_seqs
        self._seed = seed
        self._slack = len(tokens) - 1 - self._n_windows * n_ctx
        self._epoch = -1
        self._starts = np.empty(0, dtype=np.int64)

    def batch(self, i: int) -> np.ndarray:
        """Gather a batch; inputs are `[:, :-1]`, targets `[:, 1:]`.

        Parameters
        ----------
        i : int
            Index from 0; there is no last one, as epochs follow each other.

        Returns
        -------
        ndarray of int64 and shape (batch_seqs, n_ctx + 1)
        """
        epoch, first = divmod(i * self._batch_seqs, self._n_windows)
        starts = self._starts_of(epoch)[first : first + self._batch_seqs]
        while len(starts) < self._batch_seqs:
            epoch += 1
            starts = np.concatenate([starts, self._starts_of(epoch)[: self._batch_seqs - len(starts)]])
        return self._windows[starts].astype(np.int64)

    def _starts_of(self, epoch: int) -> np.ndarray:
        """Start of each window of an epoch, in the order of the visit; the last epoch is cached."""
        if epoch != self._epoch:
            # Sorted raw words instead of Generator.permutation: NumPy promises that only the former never changes.
            words = np.random.PCG64([self._seed, epoch]).random_raw(self._n_windows + 1)
            order = np.argsort(words[1:], kind="stable")
            if self._subset is None:
                offset = int(words[0] % np.uint64(self._slack + 1))
                self._starts = offset + self._n_ctx * order
            else:  # no offset: it would show tokens beside the subset
                self._starts = self._subset[order]
            self._epoch = epoch
        return self._starts


def _subset(n_tokens: int, n_ctx: int, n_windows: int) -> np.ndarray:
    """Starts of the first windows of an order that depends on the corpus's length alone: smaller subsets are inside."""
    words = np.random.PCG64(_SUBSET_KEY).random_raw(_n_windows(n_tokens, n_ctx, "the training split"))
    return n_ctx * np.argsort(words, kind="stable")[:n_windows]


def _windows(tokens: np.ndarray | TokenShards, n_ctx: int) -> np.ndarray | ShardWindows:
    if isinstance(tokens, TokenShards):
        return ShardWindows(tokens, n_ctx + 1)
    return np.lib.stride_tricks.sliding_window_view(tokens, n_ctx + 1)


def _n_windows(n_tokens: int, n_ctx: int, name: str) -> int:
    if n_tokens < n_ctx + 1:
        raise UserError(
            f"{name} holds {n_tokens} tokens, less than one context of {n_ctx} and its last target: "
            "use a larger corpus or lower model.n_ctx"
        )
    return (n_tokens - 1) // n_ctx
