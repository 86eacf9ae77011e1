"""Tokens in many files, mapped into memory as if they were one.

The index, `NAME.shards`, is a JSON document: the element type, and the name, length and SHA-256 of each file beside it.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import parse_json

SUFFIX = ".shards"
DTYPES = {".u8": np.dtype("u1"), ".u16": np.dtype("<u2"), ".u32": np.dtype("<u4")}
"""Element type of a file of tokens by its suffix."""
_MAPPED = 4096


def suffix_for(vocab_size: int) -> str:
    """Suffix of the smallest elements that hold every token."""
    return next(suffix for suffix, dtype in DTYPES.items() if vocab_size <= 1 << 8 * dtype.itemsize)


class TokenShards:
    """Tokens of one split.

    Parameters
    ----------
    index : Path
        The index file.

    Raises
    ------
    UserError
        A file is missing, or has another length than the index says.
    """

    def __init__(self, index: Path) -> None:
        self._folder = index.parent
        shards: list[Any] = parse_json(index.read_bytes())["shards"]
        self._names = [name for name, _, _ in shards]
        self._ends = np.cumsum([n_tokens for _, n_tokens, _ in shards], dtype=np.int64)
        self._shard = functools.lru_cache(_MAPPED)(self._map)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def read(self, start: int, stop: int) -> np.ndarray:
        """Copy the tokens from `start` to `stop`, across shards."""
        pieces = []
        number = int(np.searchsorted(self._ends, start, side="right"))
        while start < stop:
            begin = int(self._ends[number - 1]) if number else 0
            end = min(stop, int(self._ends[number]))
            pieces.append(self._shard(number)[start - begin : end - begin])
            start, number = end, number + 1
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _map(self, number: int) -> np.ndarray:
        path = self._folder / self._names[number]
        n_tokens = int(self._ends[number] - (self._ends[number - 1] if number else 0))
        try:
            shard = np.memmap(path, dtype=DTYPES[path.suffix], mode="r")
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {path} ({error}); make it again with scaling-harness data prepare") from error
        if len(shard) != n_tokens:
            raise UserError(
                f"{path} holds {len(shard)} tokens and not {n_tokens}: delete its folder, and make it again with "
                "scaling-harness data prepare"
            )
        return np.asarray(shard)


class ShardWindows:
    """Windows of so many tokens, gathered by their starts; as NumPy's `sliding_window_view` of one file."""

    def __init__(self, tokens: TokenShards, length: int) -> None:
        self._tokens, self._length = tokens, length

    def __getitem__(self, starts: np.ndarray) -> np.ndarray:
        return np.stack([self._tokens.read(int(start), int(start) + self._length) for start in starts])
