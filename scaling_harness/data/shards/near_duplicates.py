"""Find documents that nearly repeat an earlier one: MinHash and bands (Broder 1997; Leskovec et al. 2014, chapter 3).

Signatures lie on the disk; in memory are 25 bytes a document. The bands that find candidates are those of `datasketch`.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from scaling_harness.data.shards.broken import Broken
from scaling_harness.data.shards.documents import read_documents
from scaling_harness.data.shards.parts import Part
from scaling_harness.data.shards.worker_processes import Context
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_atomically

if TYPE_CHECKING:
    from scaling_harness.config.schema import ShardsData

N_WORDS = 5
"""Length of the sequences of words that documents are compared by."""
_N_HASHES = 128
_CANDIDATES_BELOW = 0.15
"""Bands find half of the pairs at their own threshold: a lower one misses few, and each candidate is checked."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class SignatureTask:
    """What a process needs for the signatures of a part."""

    data: "ShardsData"
    part: Part
    path: Path
    """File of the signatures, one row a document."""


def write_signatures(task: SignatureTask, context: Context) -> None:
    """Write the MinHash signature of every document of a part."""

    def write(file: BinaryIO) -> None:
        for text in read_documents(task.data, task.part):
            if not isinstance(text, Broken):
                file.write(_signature(text).tobytes())
                context.advance(len(text))

    write_atomically(task.path, write)


def _signature(text: bytes) -> np.ndarray:
    from datasketch import MinHash

    lower = text.decode(errors="replace").lower()
    words = _WORD.findall(lower)
    # Texts of few words, or of none, would all be alike: their characters are compared.
    units, space = (words, " ") if len(words) >= N_WORDS else (lower, "")
    sequences = {space.join(units[i : i + N_WORDS]).encode() for i in range(max(1, len(units) - N_WORDS + 1))}
    sketch = MinHash(_N_HASHES, hashfunc=_hash)
    sketch.update_batch(sequences)
    return sketch.hashvalues.astype("<u4")


def _hash(sequence: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(sequence, digest_size=4).digest(), "little")


def check_installed() -> None:
    """Refuse near-duplicate removal without its library."""
    try:
        import datasketch  # noqa: F401
    except ImportError as error:
        raise UserError("data.near_duplicates needs the extra: pip install 'scaling-harness[dedup]'") from error


def find_near_duplicates(signatures: Sequence[Path], threshold: float) -> list[np.ndarray]:
    """Mark the documents that are as similar as `threshold`, by their signatures, to an earlier one.

    Parameters
    ----------
    signatures : sequence of Path
        Files of `write_signatures`, in the order of the parts.
    threshold : float
        Jaccard similarity.

    Returns
    -------
    list of ndarray of bool
        By part, one value a document.
    """
    from datasketch import MinHashLSH

    parts = [_rows(path) for path in signatures]
    ends = np.cumsum([len(part) for part in parts])
    if not len(ends) or not ends[-1]:
        return [np.zeros(0, dtype=bool) for _ in parts]
    bands = MinHashLSH(threshold=min(threshold, 0.99) - _CANDIDATES_BELOW, num_perm=_N_HASHES)
    left_out = np.zeros(int(ends[-1]), dtype=bool)
    for band in range(bands.b):
        keys = np.concatenate([_band_keys(part, band * bands.r, bands.r) for part in parts])
        later, first = _repeats(keys)
        for a, b in zip(later, first, strict=True):
            if not left_out[a]:
                left_out[a] = np.mean(_row(parts, ends, a) == _row(parts, ends, b)) >= threshold
    return np.split(left_out, ends[:-1])


def _rows(path: Path) -> np.ndarray:
    if not path.stat().st_size:
        return np.empty((0, _N_HASHES), "<u4")
    return np.memmap(path, "<u4", mode="r").reshape(-1, _N_HASHES)


def _band_keys(part: np.ndarray, start: int, n: int) -> np.ndarray:
    """One 64-bit key a document of the values of a band."""
    keys = np.zeros(len(part), np.uint64)
    for column in range(start, start + n):
        keys = (keys ^ part[:, column].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    return keys


def _repeats(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Documents whose key an earlier one has, and the first with that key."""
    order = np.argsort(keys, kind="stable")
    is_first = np.concatenate([[True], keys[order[1:]] != keys[order[:-1]]])
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    return order[~is_first], order[start[~is_first]]


def _row(parts: Sequence[np.ndarray], ends: np.ndarray, document: int) -> np.ndarray:
    number = int(np.searchsorted(ends, document, side="right"))
    return parts[number][document - (int(ends[number - 1]) if number else 0)]
