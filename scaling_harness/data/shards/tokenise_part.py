"""Tokenise one part of a source: its shards, and then a file that says it is done."""

import contextlib
import functools
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from scaling_harness.data.shards.broken import Broken, refusal
from scaling_harness.data.shards.documents import read_documents, split_of
from scaling_harness.data.shards.parts import Part
from scaling_harness.data.shards.worker_processes import Context
from scaling_harness.data.text_tokenizer import SEPARATOR, encoder
from scaling_harness.data.token_shards import suffix_for
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_json

if TYPE_CHECKING:
    from scaling_harness.config.schema import ShardsData

_BATCH_BYTES = 1 << 19
"""Text that is tokenised at once."""
_BATCH_DOCUMENTS = 1024
_KEPT_BROKEN = 20


@dataclass(frozen=True)
class PartTask:
    """What a process needs to tokenise a part."""

    data: "ShardsData"
    part: Part
    key: str
    """Hash of all that decides the result."""
    folder: Path
    tokenizer: Path | None
    vocab_size: int
    left_out: Path | None = None
    """File of one boolean a document: near duplicates."""

    @property
    def done(self) -> Path:
        """File that says which shards the part has; if it exists, they are whole."""
        return self.folder / "done" / f"{self.key}.json"


def tokenise_part(task: PartTask, context: Context) -> None:
    """Write the shards of a part, named by their content, and then `task.done`.

    Raises
    ------
    UserError
        Something is broken, and is to be refused.
    """
    written = task.tokenizer.stat().st_mtime_ns if task.tokenizer else None
    encode = _encoder(task.tokenizer, task.vocab_size, written)
    writers = _Writers(task.folder, suffix_for(task.vocab_size))
    broken = list[Broken]()
    data = task.data
    try:
        for batch in _batches(kept_documents(task, broken)):
            for text, tokens in zip(batch, encode(batch), strict=True):
                writers.add(split_of(text, data.valid_fraction, data.test_fraction), tokens, len(text) + len(SEPARATOR))
            context.advance(sum(map(len, batch)))
        streams = writers.close()
    except BaseException:
        writers.discard()
        raise
    named = [[one.path, one.place, one.reason] for one in broken[:_KEPT_BROKEN]]
    n_left_out = int(np.load(task.left_out).sum()) if task.left_out else 0
    write_json(
        task.done, {"streams": streams, "broken": named, "n_broken": len(broken), "n_near_duplicates": n_left_out}
    )


@functools.lru_cache(maxsize=1)
def _encoder(
    tokenizer: Path | None, vocab_size: int, _written: int | None
) -> Callable[[Sequence[bytes]], list[np.ndarray]]:
    """The encoder of all parts of a process: one of its own for each takes 5 MB that never return."""
    return encoder(tokenizer, vocab_size, in_pieces=True)


def kept_documents(task: PartTask, broken: list[Broken]) -> Iterator[bytes]:
    """Documents of a part without near duplicates; what cannot be read is refused or added to `broken`."""
    left_out = np.load(task.left_out) if task.left_out else None
    number = 0
    for text in read_documents(task.data, task.part):
        if isinstance(text, Broken):
            if task.data.on_broken == "refuse":
                raise UserError(refusal(text))
            broken.append(text)
        else:
            if left_out is None or not left_out[number]:
                yield text
            number += 1


def _batches(texts: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch, size = list[bytes](), 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_DOCUMENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Writers:
    """One temporary file a split, which gets the name of its content when it is whole."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        self._files: dict[str, tuple[Path, BinaryIO, Any]] = {}
        self._streams: dict[str, dict[str, Any]] = {}

    def add(self, split: str, tokens: np.ndarray, n_bytes: int) -> None:
        """Add the tokens of a document, which has so many bytes."""
        if split not in self._files:
            path = self._folder / f".{uuid.uuid4().hex}"
            self._files[split] = (path, path.open("wb"), hashlib.sha256())
            self._streams[split] = {"n_documents": 0, "n_tokens": 0, "n_bytes": 0}
        _, file, digest = self._files[split]
        content = tokens.tobytes()
        file.write(content)
        digest.update(content)
        stream = self._streams[split]
        stream["n_documents"] += 1
        stream["n_tokens"] += len(tokens)
        stream["n_bytes"] += n_bytes

    def close(self) -> dict[str, dict[str, Any]]:
        """Give the files their names; return name, hash and sizes by split."""
        for split, (path, file, digest) in self._files.items():
            file.flush()
            os.fsync(file.fileno())
            file.close()
            sha256 = digest.hexdigest()
            shard = f"{sha256[:32]}{self._suffix}"
            path.rename(self._folder / shard)
            self._streams[split] |= {"shard": shard, "sha256": sha256}
        return self._streams

    def discard(self) -> None:
        """Delete what is not whole."""
        for path, file, _ in self._files.values():
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it writes what is left, which a full disk refuses again
                file.close()
