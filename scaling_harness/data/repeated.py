"""A few windows repeated among the unique ones of any other source (Hernandez et al. 2022)."""

from typing import TYPE_CHECKING

import numpy as np

from scaling_harness.data.token_source import TokenSource, Truth
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from scaling_harness.config.schema import RepeatedData

_POOL_SEED = 20220521
"""Seed of the order in which windows of the source join the repeated ones, apart from that of any run."""


class RepeatedTokens:
    """Tokens of another source, every so many windows one of the few; see `open_source`.

    Raises
    ------
    UserError
        The few are less than one context.
    """

    def __init__(self, data: "RepeatedData", source: TokenSource, n_ctx: int, batch_seqs: int) -> None:
        if data.n_repeated_tokens < n_ctx:
            raise UserError(f"data.n_repeated_tokens {data.n_repeated_tokens} is less than one context of {n_ctx}")
        self._fraction, self._source = data.fraction, source
        n_windows = data.n_repeated_tokens // n_ctx
        batches = [source.batch(_POOL_SEED, i) for i in range(-(-n_windows // batch_seqs))]
        self._few = np.concatenate(batches)[:n_windows]

    def batch(self, seed: int, i: int) -> np.ndarray:
        """A batch of the source, its windows number 1/fraction, 2/fraction, ... replaced by the few in turn."""
        windows = self._source.batch(seed, i)
        before = np.floor(np.arange(i * len(windows), (i + 1) * len(windows) + 1) * self._fraction).astype(np.int64)
        replaced = np.diff(before) > 0
        windows[replaced] = self._few[before[:-1][replaced] % len(self._few)]
        return windows

    @property
    def evaluation_sets(self) -> tuple[str, ...]:  # noqa: D102
        return self._source.evaluation_sets

    def evaluation_windows(self, name: str, n_tokens: int) -> np.ndarray:  # noqa: D102
        return self._source.evaluation_windows(name, n_tokens)

    @property
    def truth(self) -> Truth | None:
        """That of the source: evaluation repeats nothing."""
        return self._source.truth
