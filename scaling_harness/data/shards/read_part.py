"""Read the documents of a part of a source, a few at a time."""

import codecs
import contextlib
import json
import re
from collections.abc import Iterator
from typing import IO, Any, Protocol

from pydantic_core import from_json

from scaling_harness.data.shards.broken import Broken
from scaling_harness.data.shards.parts import Part

BLOCK_BYTES = 1 << 16
"""A text without separator is cut in blocks of this size, each up to the next white space."""
MOST_BYTES = 64_000_000
"""A document longer than this is broken: it would take too much memory."""
_READ_BYTES = 1 << 20
_SHARE_BYTES = 1 << 20
"""The shares of a compressed file are pieces of so many bytes, dealt in turn."""
_SIP_BYTES = 1 << 10
"""Of a damaged file so many compressed bytes are decompressed at once, since all of them are lost with an error."""
_ROWS = 64
_WHITE_SPACE = re.compile(rb"\s")

Texts = Iterator[bytes | Broken]


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_part(part: Part, text_field: str, separator: str | None) -> Texts:
    """Yield the documents of a part, and what of it cannot be read; a failure ends the part.

    Parameters
    ----------
    part : Part
        From `parts_of_files`.
    text_field : str
        Name of the text in JSONL and Parquet.
    separator : str or None
        Splits a text file in documents.

    Yields
    ------
    bytes or Broken
        UTF-8, not empty.
    """
    try:
        if part.kind == "parquet":
            yield from _read_parquet(part, text_field)
        elif part.kind == "jsonl":
            yield from (
                _parse(part, offset, line, text_field) for offset, line in _records(part, b"\n") if line.strip()
            )
        else:
            records = _records(part, separator.encode()) if separator else _blocks(part)
            yield from (_checked(part, offset, text) for offset, text in records if text)
    except (OSError, ValueError, EOFError) as error:
        yield Broken(part.path, "", f"cannot be read to its end ({str(error).partition(chr(10))[0]})")


def _read_parquet(part: Part, field: str) -> Texts:
    from pyarrow import parquet

    with parquet.ParquetFile(part.path, pre_buffer=False, buffer_size=_READ_BYTES) as table:
        names = table.schema_arrow.names
        if field not in names:
            yield Broken(part.path, "", f"has no field {field!r}, only {', '.join(map(repr, names))}")
            return
        number = sum(table.metadata.row_group(group).num_rows for group in range(part.start))
        for batch in table.iter_batches(_ROWS, row_groups=range(part.start, part.stop), columns=[field]):
            for text in batch.column(0).to_pylist():
                number += 1
                if text != "":
                    yield _text(part, f"row {number}", field, text)


def _parse(part: Part, offset: int, line: bytes, field: str) -> bytes | Broken:
    place = f"line at byte {offset}"
    if len(line) > MOST_BYTES:
        return _too_long(part, place)
    try:
        row = from_json(line if offset else line.removeprefix(codecs.BOM_UTF8))
    except ValueError as error:
        return Broken(part.path, place, f"is not JSON ({error})")
    if not isinstance(row, dict) or field not in row:
        return Broken(part.path, place, f"has no field {field!r}")
    return _text(part, place, field, row[field])


def _text(part: Part, place: str, field: str, text: Any) -> bytes | Broken:
    if not isinstance(text, str):
        return Broken(part.path, place, f"holds {json.dumps(text, default=repr)[:40]} in field {field!r}, not text")
    return _short_enough(part, place, text.encode(errors="replace"))


def _checked(part: Part, offset: int, text: bytes) -> bytes | Broken:
    place = f"text at byte {offset}"
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return Broken(part.path, place, f"is not UTF-8 (byte 0x{text[error.start]:02x} at {offset + error.start})")
    return _short_enough(part, place, text)


def _short_enough(part: Part, place: str, text: bytes) -> bytes | Broken:
    return _too_long(part, place) if len(text) > MOST_BYTES else text


def _too_long(part: Part, place: str) -> Broken:
    return Broken(part.path, place, f"is longer than {MOST_BYTES:,} bytes")


def _records(part: Part, separator: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and content of the records that start in a part."""
    with _open(part) as file:
        begin = 0
        if not part.is_compressed and part.start:  # the first record that starts here follows a separator
            begin = max(0, part.start - len(separator))
            file.seek(begin)
        records = _split(file, separator, begin)
        if begin:
            next(records, None)
        yield from _own(part, records)


def _blocks(part: Part) -> Iterator[tuple[int, bytes]]:
    with _open(part) as file:
        whole = part.is_compressed
        if not whole:
            file.seek(part.start)
        blocks = _split_at_white_space(file, 0 if whole else part.start, None if whole else part.stop)
        yield from _own(part, blocks)


def _own(part: Part, records: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for offset, text in records:
        if part.is_compressed:
            if offset // _SHARE_BYTES % part.stop == part.start:
                yield offset, text
        elif offset >= part.stop:
            return
        else:
            yield offset, text


def _split(file: _Stream, separator: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Cut a stream at a separator; of a record that is too long only the first bytes, more than `MOST_BYTES`."""
    rest = b""
    while block := file.read(_READ_BYTES):
        scanned = max(0, len(rest) - len(separator) + 1)
        rest += block
        if rest.find(separator, scanned) < 0 and len(rest) <= MOST_BYTES:
            continue
        *whole, rest = rest.split(separator)
        for record in whole:
            yield offset, record
            offset += len(record) + len(separator)
        if len(rest) > MOST_BYTES:
            yield offset, rest
            passed, following = _after_separator(file, separator, rest[len(rest) - len(separator) + 1 :])
            offset, rest = offset + len(rest) + passed, following
    for record in rest.split(separator):  # several, if they follow one that was too long
        yield offset, record
        offset += len(record) + len(separator)


def _after_separator(file: _Stream, separator: bytes, tail: bytes) -> tuple[int, bytes]:
    """Read on to the next separator; number of bytes up to behind it, beyond the `tail`, and what follows it."""
    passed = -len(tail)
    while block := file.read(_READ_BYTES):
        tail += block
        if (at := tail.find(separator)) >= 0:
            return passed + at + len(separator), tail[at + len(separator) :]
        cut = max(0, len(tail) - len(separator) + 1)
        passed, tail = passed + cut, tail[cut:]
    return passed + len(tail), b""


def _split_at_white_space(file: _Stream, offset: int, stop: int | None) -> Iterator[tuple[int, bytes]]:
    """Cut a stream in blocks; where `stop` is given the last of them ends where the next part's first one starts."""
    rest, skip, ended, failure = b"", offset > 0, False, None
    while not ended or rest:
        while not ended and len(rest) < 3 * BLOCK_BYTES + 4:
            try:
                block = file.read(_READ_BYTES)
                rest, ended = rest + block, not block
            except (OSError, EOFError) as error:
                rest, ended, failure = _whole_characters(rest), True, error
        left = len(rest) if stop is None else max(0, stop - offset)
        end = _block_end(rest, 0 if skip else min(BLOCK_BYTES, left))
        if end > left and not skip:
            end = _block_end(rest, left)
        if not skip and end:
            yield offset, rest[:end]
        offset, rest, skip = offset + end, rest[end:], False
        if stop is not None and offset >= stop:
            return
    if failure:
        raise failure


def _whole_characters(text: bytes) -> bytes:
    """A text that was cut anywhere, without the first bytes of a character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(text)
    return text[: len(text) - len(decoder.getstate()[0])]


def _block_end(text: bytes, nominal: int) -> int:
    """Behind the next white space, or between two characters if there is none, as in Chinese."""
    if space := _WHITE_SPACE.search(text, nominal, nominal + BLOCK_BYTES):
        return space.end()
    end = nominal + BLOCK_BYTES
    while end < len(text) and text[end] & 0xC0 == 0x80:
        end += 1
    return min(end, len(text))


@contextlib.contextmanager
def _open(part: Part) -> Iterator[Any]:
    if not part.is_compressed:
        with open(part.path, "rb") as file:
            yield file
        return
    with contextlib.closing(_Decompressed(part.path)) as stream:
        yield stream


class _Decompressed:
    """The text of a compressed file; an error in it is raised when all that lies before it was read."""

    def __init__(self, path: str) -> None:
        import pyarrow

        self._path = path
        self._codec = "zstd" if path.lower().endswith(".zst") else "gzip"
        self._stream: Any = pyarrow.input_stream(path, compression=self._codec)
        self._offset = 0
        self._failure: OSError | None = None

    def read(self, size: int, /) -> bytes:
        """Read like a file."""
        if self._failure:
            raise self._failure
        try:
            block = self._stream.read(size)
        except OSError as error:
            self._failure = error
            block = self._text_before_the_error()
            if not block:
                raise
        self._offset += len(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _text_before_the_error(self) -> bytes:
        """Read on from the last good place, bytewise: whatever is asked for together with an error is lost."""
        import pyarrow

        text = bytearray()
        with open(self._path, "rb") as file, contextlib.suppress(OSError):
            stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(_Sips(file), mode="r"), self._codec)
            left = self._offset
            while left:
                left -= len(stream.read(min(left, _READ_BYTES)))
            while byte := stream.read(1):
                text += byte
        return bytes(text)


class _Sips:
    """A file that gives little at a time, whatever it is asked for."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, _size: int = -1, /) -> bytes:
        """Read the next bytes."""
        return self._file.read(_SIP_BYTES)

    def close(self) -> None:
        """Close the file, as pyarrow does at the end."""
        self._file.close()
