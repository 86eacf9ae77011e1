"""A tokenised corpus as a `TokenSource`: token files in memory maps."""

import numpy as np

from scaling_harness.data.batches import BatchSampler, evaluation_windows
from scaling_harness.data.token_cache import DataInfo, open_tokens


class TokenFiles:
    """Tokens of a corpus; see `open_source`."""

    def __init__(self, info: DataInfo, n_ctx: int, batch_seqs: int) -> None:
        self._tokens = open_tokens(info.train_path)
        self._paths = info.evaluation_paths
        self._n_ctx, self._batch_seqs, self._train_tokens = n_ctx, batch_seqs, info.train_tokens
        self._samplers: dict[int, BatchSampler] = {}

    def batch(self, seed: int, i: int) -> np.ndarray:  # noqa: D102
        if seed not in self._samplers:
            self._samplers[seed] = BatchSampler(self._tokens, self._n_ctx, self._batch_seqs, seed, self._train_tokens)
        return self._samplers[seed].batch(i)

    @property
    def evaluation_sets(self) -> tuple[str, ...]:  # noqa: D102
        return tuple(self._paths)

    @property
    def truth(self) -> None:
        """Nobody knows the law of a text."""

    def evaluation_windows(self, name: str, n_tokens: int) -> np.ndarray:  # noqa: D102
        return evaluation_windows(open_tokens(self._paths[name]), self._n_ctx, n_tokens, f"the evaluation set {name}")
