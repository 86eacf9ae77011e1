"""Tokenise documents once, and cache the token files.

A cache directory holds one folder for each corpus, tokenizer and split fraction (and one for each evaluation set),
named by the hash of the content, and `index/`, which maps the outer signs of a request (paths, sizes, times, versions)
to a folder, so that a corpus is not read again. A folder appears complete, by one rename: processes that make the same
folder at the same time write the same bytes, and the first wins.

Every document ends with a NUL byte, which no text contains: with the byte tokenizer this is the token 0, and with BPE
it is the last byte that is encoded.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_harness.data.batches import n_unique_tokens
from scaling_harness.data.corpus import Corpus, Document, choose_splits, open_corpus, open_evaluation_set
from scaling_harness.data.other_texts import MANUAL, SHUFFLED, open_manual, shuffled_words
from scaling_harness.data.progress import with_progress_bar
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.atomic_files import explain_os_errors, parse_json, write_json

if TYPE_CHECKING:
    from scaling_harness.config.schema import Bpe, Bytes, TextData

FORMAT = 1
"""Increased by hand whenever the same corpus would give other tokens or another folder layout."""

SEPARATOR = b"\0"
META_FILE = "meta.json"
TOKENIZER_FILE = "tokenizer.json"
_DTYPES = {".u8": np.dtype("u1"), ".u16": np.dtype("<u2")}

_log = logging.getLogger(__name__)
_Encode = Callable[[bytes], np.ndarray]


@dataclass(frozen=True)
class DataInfo:
    """A prepared corpus, as planning and training need it."""

    data_id: str
    """SHA-256 over the tokenizer and the tokens of every split."""
    label: str
    vocab_size: int
    n_train_tokens: int
    n_valid_tokens: int
    train_path: Path
    valid_path: Path
    tokenizer_path: Path | None
    """None for bytes."""
    n_documents: int
    held_out: tuple[str, ...]
    """Groups in the validation split, if groups have names."""
    bytes_per_token: float
    """Mean over the validation split; divide nats per token by it for nats per byte."""
    test_path: Path | None = None
    """None without a test split."""
    n_test_tokens: int = 0
    held_out_test: tuple[str, ...] = ()
    """Groups in the test split, if groups have names."""
    extra: dict[str, Path] = dataclasses.field(default_factory=dict)
    """Token files of other evaluation sets, by name."""
    extra_ids: dict[str, str] = dataclasses.field(default_factory=dict)
    """SHA-256 of each of these files."""
    train_tokens: int | None = None
    """Size of the subset that is trained on, `data.train_tokens`; None for all training tokens."""

    @property
    def evaluation_sets(self) -> tuple[str, ...]:
        """Names of the evaluation sets."""
        return tuple(self.evaluation_paths)

    @property
    def files(self) -> tuple[Path, ...]:
        """Token files that must be on the machine that trains."""
        return (self.train_path, *self.evaluation_paths.values())

    def n_unique_tokens(self, n_ctx: int) -> int:
        """Training tokens that an epoch visits; see `batches.n_unique_tokens`."""
        return n_unique_tokens(self.n_train_tokens, n_ctx, self.train_tokens)

    def for_record(self) -> dict[str, Any]:
        """Identifiers of the tokens, for `RunRecord.data`."""
        return {
            "data_id": self.data_id,
            "label": self.label,
            "vocab_size": self.vocab_size,
            "bytes_per_token": self.bytes_per_token,
            "held_out": list(self.held_out),
            "held_out_test": list(self.held_out_test),
            "extra_ids": dict(self.extra_ids),
        }

    @property
    def evaluation_paths(self) -> dict[str, Path]:
        """Token files of the final losses, by evaluation set."""
        test = {"test": self.test_path} if self.test_path else {}
        return {"valid": self.valid_path, **test, **self.extra}


@dataclass(frozen=True)
class _Entry:
    """A complete and undamaged folder of the cache."""

    directory: Path
    meta: dict[str, Any]

    def path(self, split: str) -> Path:
        return self.directory / self.meta["streams"][split]["file"]

    def sha256(self, split: str) -> str:
        return self.meta["files"][self.path(split).name]["sha256"]

    @property
    def tokenizer_path(self) -> Path | None:
        return self.directory / TOKENIZER_FILE if TOKENIZER_FILE in self.meta["files"] else None

    @property
    def tokenizer_sha256(self) -> str | None:
        return self.meta["files"].get(TOKENIZER_FILE, {}).get("sha256")


def prepare(data: "TextData", extra_sets: Iterable[str], data_dir: Path) -> DataInfo:
    """Tokenise a corpus and evaluation sets, or find them in the cache.

    Any number of processes may call this at once. A source is read again only if its path, size, time of change or
    version differs from the cached one; the identity depends on the content alone.

    Parameters
    ----------
    data : TextData
        Corpus, tokenizer and validation fraction.
    extra_sets : iterable of str
        Names as in `corpus.open_evaluation_set`; keys of the result are `code` or the file's name without suffix.
    data_dir : Path
        Directory of the cache.

    Returns
    -------
    DataInfo

    Raises
    ------
    UserError
        The source is missing, empty, not text, or too small to split, the vocabulary is larger than the text supports,
        or `data_dir` cannot be written.
    HarnessError
        The disk is full.
    """
    data_dir = data_dir.expanduser().resolve()
    corpus = open_corpus(data)
    tokenizer = data.tokenizer
    recipe = [dataclasses.asdict(tokenizer), data.valid_fraction, corpus.chronological]
    recipe += [data.test_fraction] if data.test_fraction else []  # without one the cache of earlier versions is found

    def fill(directory: Path, group_bytes: dict[str, int]) -> dict[str, Any]:
        chronological = corpus.chronological
        splits = choose_splits(group_bytes, data.valid_fraction, data.test_fraction, chronological=chronological)
        return _fill_split(directory, corpus, splits, tokenizer)

    evaluation_sets = _evaluation_sets(extra_sets)
    with explain_os_errors(data_dir):
        entry = _find_or_make(data_dir, corpus, recipe, fill)
        extra = {
            name: _prepare_extra(source or _shuffled(entry), entry, data_dir)
            for name, source in evaluation_sets.items()
        }
    return dataclasses.replace(
        _info(entry),
        extra={name: made.path("all") for name, made in extra.items()},
        extra_ids={name: made.sha256("all") for name, made in extra.items()},
        train_tokens=data.train_tokens,
    )


def list_prepared(data_dir: Path) -> list[DataInfo]:
    """List the corpora in a cache, in order of label; damaged ones are logged and left out.

    Parameters
    ----------
    data_dir : Path
        Directory of the cache; it need not exist.

    Returns
    -------
    list of DataInfo
        Prepared corpora, without evaluation sets.
    """
    infos = []
    for meta_path in sorted(data_dir.expanduser().resolve().glob(f"[!.]*/{META_FILE}")):
        entry = _sound_entry(meta_path.parent)
        if entry is not None and "train" in entry.meta["streams"]:
            infos.append(_info(entry))
    return infos


def open_tokens(path: Path) -> np.ndarray:
    """Map a token file into memory.

    Parameters
    ----------
    path : Path
        One of the paths in a `DataInfo`.

    Returns
    -------
    ndarray of uint8 or uint16 and shape (n_tokens,)
        Read-only memory map.

    Raises
    ------
    UserError
        The file is missing.
    """
    try:
        return np.asarray(np.memmap(path, dtype=_DTYPES[path.suffix], mode="r"))
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; make it again with scaling-harness data prepare"
        ) from error


def _evaluation_sets(names: Iterable[str]) -> dict[str, Corpus | None]:
    """Find evaluation sets by their names; None for the one that is made of the corpus itself."""
    sets: dict[str, Corpus | None] = {}
    for name in names:
        corpus = None if name == SHUFFLED else open_manual() if name == MANUAL else open_evaluation_set(name)
        label = corpus.label if corpus else name
        if label in sets or label in ("valid", "test"):
            raise UserError(f"two evaluation sets are called {label!r}: rename the file {name}")
        sets[label] = corpus
    return sets


def _shuffled(entry: _Entry) -> Corpus:
    """The words of the text that losses are reported on, in a random order."""
    split = "test" if "test" in entry.meta["streams"] else "valid"

    def read_text() -> str:
        tokens = open_tokens(entry.path(split))
        if entry.tokenizer_path is None:
            return tokens.tobytes().decode(errors="replace")
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(entry.tokenizer_path)).decode(tokens.tolist())

    return shuffled_words(entry.sha256(split), read_text)


def _prepare_extra(corpus: Corpus, trained: _Entry, data_dir: Path) -> _Entry:
    def fill(directory: Path, _: dict[str, int]) -> dict[str, Any]:
        return {"streams": _write_streams(directory, corpus, lambda _: "all", _encoder(trained.tokenizer_path))}

    return _find_or_make(data_dir, corpus, ["evaluation", trained.tokenizer_sha256], fill)


def _info(entry: _Entry) -> DataInfo:
    streams = entry.meta["streams"]
    train, valid, test = streams["train"], streams["valid"], streams.get("test")
    vocab_size = entry.meta["vocab_size"]
    splits = [entry.sha256(split) for split in ("train", "valid", "test") if split in streams]
    return DataInfo(
        data_id=_digest([vocab_size, entry.tokenizer_sha256, *splits]),
        label=entry.meta["label"],
        vocab_size=vocab_size,
        n_train_tokens=train["n_tokens"],
        n_valid_tokens=valid["n_tokens"],
        train_path=entry.path("train"),
        valid_path=entry.path("valid"),
        tokenizer_path=entry.tokenizer_path,
        n_documents=sum(stream["n_documents"] for stream in streams.values()),
        held_out=tuple(entry.meta["held_out"]),
        bytes_per_token=valid["n_bytes"] / valid["n_tokens"],
        test_path=entry.path("test") if test else None,
        n_test_tokens=test["n_tokens"] if test else 0,
        held_out_test=tuple(entry.meta.get("held_out_test", ())),
    )


def _fill_split(directory: Path, corpus: Corpus, splits: dict[str, str], tokenizer: "Bytes | Bpe") -> dict[str, Any]:
    """Write all files of a corpus folder but its meta file, whose content is returned."""
    path = None
    vocab_size = 256
    if tokenizer.kind == "bpe":
        path, vocab_size = directory / TOKENIZER_FILE, tokenizer.vocab_size
        documents = with_progress_bar(corpus.read(), f"training a tokenizer on {corpus.label}")
        _train_bpe(path, vocab_size, (d.text.decode() for d in documents if d.group not in splits))

    def split_of(document: Document) -> str:
        return splits.get(document.group, "train")

    def named(split: str) -> list[str]:
        return [group for group, chosen in splits.items() if chosen == split and corpus.chronological]

    return {
        "vocab_size": vocab_size,
        "held_out": named("valid"),
        "held_out_test": named("test"),
        "streams": _write_streams(directory, corpus, split_of, _encoder(path)),
    }


def _train_bpe(path: Path, vocab_size: int, texts: Iterator[str]) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() < vocab_size:
        raise UserError(
            f"the training text supports {tokenizer.get_vocab_size()} BPE tokens, not {vocab_size}: "
            "lower data.tokenizer.vocab_size or use a larger corpus"
        )
    tokenizer.save(str(path))


def _encoder(tokenizer_path: Path | None) -> _Encode:
    if tokenizer_path is None:
        return lambda text: np.frombuffer(text, np.uint8)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    return lambda text: np.array(tokenizer.encode(text.decode()).ids, dtype="<u2")


def _write_streams(
    directory: Path, corpus: Corpus, split_of: Callable[[Document], str], encode: _Encode
) -> dict[str, dict[str, Any]]:
    """Tokenise documents to one file for each split; return its name and sizes, by split."""
    streams: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack:
        files = {}
        for document in with_progress_bar(corpus.read(), f"tokenising {corpus.label}"):
            split = split_of(document)
            tokens = encode(document.text + SEPARATOR)
            if split not in files:
                path = directory / f"{split}.{'u8' if tokens.dtype == np.uint8 else 'u16'}"
                files[split] = stack.enter_context(path.open("wb"))
                streams[split] = {"file": path.name, "n_documents": 0, "n_tokens": 0, "n_bytes": 0}
            files[split].write(tokens.tobytes())
            streams[split]["n_documents"] += 1
            streams[split]["n_tokens"] += len(tokens)
            streams[split]["n_bytes"] += len(document.text) + len(SEPARATOR)
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    return streams


def _stamp(path: Path) -> dict[str, Any]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": _sha256(path)}


def _find_or_make(
    data_dir: Path, corpus: Corpus, recipe: list[Any], fill: Callable[[Path, dict[str, int]], dict[str, Any]]
) -> _Entry:
    index = data_dir / "index" / f"{_digest([FORMAT, corpus.signature, recipe])}.json"
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        entry = _sound_entry(data_dir / parse_json(index.read_bytes()))
        if entry is not None:
            return entry
    group_bytes, content = _survey(corpus)
    name = re.sub(r"[^\w.-]+", "-", corpus.label).lstrip(".") + "-" + _digest([FORMAT, content, recipe])[:12]
    entry = _sound_entry(data_dir / name)
    if entry is None:
        entry = _make(data_dir / name, corpus.label, lambda directory: fill(directory, group_bytes))
    # The index only saves time: a read-only cache works without it.
    with contextlib.suppress(HarnessError):
        write_json(index, name)
    return entry


def _survey(corpus: Corpus) -> tuple[dict[str, int], str]:
    """Count the bytes of each group, with separators, and hash all documents in order."""
    group_bytes: dict[str, int] = {}
    content = hashlib.sha256()
    for document in with_progress_bar(corpus.read(), f"reading {corpus.label}"):
        size = len(document.text) + len(SEPARATOR)
        group_bytes[document.group] = group_bytes.get(document.group, 0) + size
        content.update(f"{document.group}\0{size}\0".encode())
        content.update(document.text)
    if not group_bytes:
        raise UserError(f"the corpus {corpus.label!r} is empty: name files that contain text")
    return group_bytes, content.hexdigest()


def _make(directory: Path, label: str, fill: Callable[[Path], dict[str, Any]]) -> _Entry:
    partial = directory.parent / f".partial-{uuid.uuid4().hex}"
    try:
        partial.mkdir(parents=True)
        meta = {"label": label} | fill(partial)
        files = {path.name: _stamp(path) for path in partial.iterdir()}
        write_json(partial / META_FILE, meta | {"files": files})
        return _install(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _install(partial: Path, directory: Path) -> _Entry:
    """Give a complete folder its final name, unless another process was first; a damaged one there is replaced."""
    while True:
        try:
            partial.rename(directory)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        entry = _sound_entry(directory)
        if entry is not None:
            return entry
        with contextlib.suppress(FileNotFoundError):
            directory.rename(partial.with_name(f"{partial.name}-damaged"))
            shutil.rmtree(partial.with_name(f"{partial.name}-damaged"))


def _sound_entry(directory: Path) -> _Entry | None:
    """Read the meta file of a folder; None if the folder is missing or damaged."""
    if not (directory / META_FILE).exists():
        return None
    with contextlib.suppress(ValueError, KeyError, FileNotFoundError):
        meta = parse_json((directory / META_FILE).read_bytes())
        if all(_is_sound(directory / name, stamp) for name, stamp in meta["files"].items()):
            return _Entry(directory, meta)
    _log.warning("%s is damaged and will be made again when it is next needed", directory)
    return None


def _is_sound(path: Path, stamp: dict[str, Any]) -> bool:
    """Whether a file has the size and time it was written with, or at least the same content."""
    stat = path.stat()
    if stat.st_size != stamp["size"]:
        return False
    return stat.st_mtime_ns == stamp["mtime_ns"] or _sha256(path) == stamp["sha256"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
