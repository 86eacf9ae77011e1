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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_harness.data import text_tokenizer
from scaling_harness.data.batches import n_unique_tokens
from scaling_harness.data.corpus import Corpus, Document, choose_splits, open_corpus, open_evaluation_set
from scaling_harness.data.other_texts import MANUAL, SHUFFLED, open_manual, shuffled_words
from scaling_harness.data.progress import with_progress_bar
from scaling_harness.data.text_tokenizer import SEPARATOR
from scaling_harness.data.token_shards import DTYPES, SUFFIX, TokenShards, suffix_for
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.atomic_files import explain_os_errors, parse_json, write_json

if TYPE_CHECKING:
    from scaling_harness.config.schema import Bpe, Bytes, CorpusData, TokenizerFile

FORMAT = 1
"""Increased by hand whenever the same corpus would give other tokens or another folder layout."""

META_FILE = "meta.json"
TOKENIZER_FILE = "tokenizer.json"

_MOST_SHUFFLED = 1 << 24
"""Tokens of shards of which the evaluation set `shuffled` is made."""

_log = logging.getLogger(__name__)


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
    set_bytes_per_token: dict[str, float] = dataclasses.field(default_factory=dict)
    """Mean bytes a token of each evaluation set."""
    n_broken: int = 0
    """Files, lines and rows that could not be read and were left out."""
    n_near_duplicates: int = 0
    """Documents left out because they nearly repeat another."""

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
            "set_bytes_per_token": dict(self.set_bytes_per_token),
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
class Entry:
    """A complete and undamaged folder of the cache."""

    directory: Path
    meta: dict[str, Any]

    def path(self, split: str) -> Path:
        """Tokens of a split."""
        return self.directory / self.meta["streams"][split]["file"]

    def sha256(self, split: str) -> str:
        """Hash of these tokens."""
        return self.meta["files"][self.path(split).name]["sha256"]

    @property
    def tokenizer_path(self) -> Path | None:
        """None for bytes."""
        return self.directory / TOKENIZER_FILE if TOKENIZER_FILE in self.meta["files"] else None

    @property
    def tokenizer_sha256(self) -> str | None:
        """Hash of the tokenizer; None for bytes."""
        return self.meta["files"].get(TOKENIZER_FILE, {}).get("sha256")


def prepare(data: "CorpusData", extra_sets: Iterable[str], data_dir: Path) -> DataInfo:
    """Tokenise a corpus and evaluation sets, or find them in the cache.

    Any number of processes may call this at once. A source is read again only if its path, size, time of change or
    version differs from the cached one; the identity depends on the content alone.

    Parameters
    ----------
    data : CorpusData
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
    recipe = [text_tokenizer.settings_of(tokenizer), data.valid_fraction, corpus.chronological]
    recipe += [data.test_fraction] if data.test_fraction else []  # without one the cache of earlier versions is found

    def fill(directory: Path, group_bytes: dict[str, int]) -> dict[str, Any]:
        chronological = corpus.chronological
        splits = choose_splits(group_bytes, data.valid_fraction, data.test_fraction, chronological=chronological)
        return _fill_split(directory, corpus, splits, tokenizer)

    with explain_os_errors(data_dir):
        check_extra_sets(extra_sets := tuple(extra_sets))
        entry = _find_or_make(data_dir, corpus, recipe, fill)
        return dataclasses.replace(with_extra_sets(entry, extra_sets, data_dir), train_tokens=data.train_tokens)


def check_extra_sets(names: Iterable[str]) -> None:
    """Refuse evaluation sets that are missing, or have one name twice, before anything is tokenised."""
    _evaluation_sets(names)


def with_extra_sets(entry: Entry, names: Iterable[str], data_dir: Path) -> DataInfo:
    """Tokenise evaluation sets with the tokenizer of a corpus, and describe all of them together."""
    info = info_of(entry)
    extra = {
        name: _prepare_extra(source or _shuffled(entry), entry, data_dir)
        for name, source in _evaluation_sets(names).items()
    }
    return dataclasses.replace(
        info,
        extra={name: made.path("all") for name, made in extra.items()},
        extra_ids={name: made.sha256("all") for name, made in extra.items()},
        set_bytes_per_token=info.set_bytes_per_token
        | {name: _bytes_per_token(made.meta["streams"]["all"]) for name, made in extra.items()},
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
        entry = sound_entry(meta_path.parent)
        if entry is not None and (info := _listed(entry)) is not None:
            infos.append(info)
    return infos


def _listed(entry: Entry) -> DataInfo | None:
    """Describe a corpus; None if it is an evaluation set, or damaged, which must not hide the others."""
    try:
        return info_of(entry) if "train" in entry.meta["streams"] else None
    except (ArithmeticError, LookupError, TypeError):
        _log.warning("%s is damaged and left out", entry.directory)
        return None


def open_tokens(path: Path) -> np.ndarray | TokenShards:
    """Map a token file, or the shards of an index, into memory.

    Parameters
    ----------
    path : Path
        One of the paths in a `DataInfo`.

    Returns
    -------
    ndarray of uint8, uint16 or uint32 and shape (n_tokens,), or TokenShards
        Read-only memory map.

    Raises
    ------
    UserError
        The file is missing.
    """
    try:
        if path.suffix == SUFFIX:
            return TokenShards(path)
        return np.asarray(np.memmap(path, dtype=DTYPES[path.suffix], mode="r"))
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


def _shuffled(entry: Entry) -> Corpus:
    """The words of the text that losses are reported on, in a random order."""
    split = "test" if "test" in entry.meta["streams"] else "valid"

    def read_text() -> str:
        tokens = open_tokens(entry.path(split))
        if isinstance(tokens, TokenShards):
            tokens = tokens.read(0, min(len(tokens), _MOST_SHUFFLED))
        if entry.tokenizer_path is None:
            return tokens.tobytes().decode(errors="replace")
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(entry.tokenizer_path)).decode(tokens.tolist())

    return shuffled_words(entry.sha256(split), read_text)


def _prepare_extra(corpus: Corpus, trained: Entry, data_dir: Path) -> Entry:
    def fill(directory: Path, _: dict[str, int]) -> dict[str, Any]:
        path, vocab_size = trained.tokenizer_path, trained.meta["vocab_size"]
        return {"streams": _write_streams(directory, corpus, lambda _: "all", path, vocab_size)}

    return _find_or_make(data_dir, corpus, ["evaluation", trained.tokenizer_sha256], fill)


def info_of(entry: Entry) -> DataInfo:
    """Describe a folder of the cache, without evaluation sets of other distributions."""
    streams = entry.meta["streams"]
    train, valid, test = streams["train"], streams["valid"], streams.get("test")
    vocab_size = entry.meta["vocab_size"]
    splits = [entry.sha256(split) for split in ("train", "valid", "test") if split in streams]
    return DataInfo(
        data_id=digest([vocab_size, entry.tokenizer_sha256, *splits]),
        label=entry.meta["label"],
        vocab_size=vocab_size,
        n_train_tokens=train["n_tokens"],
        n_valid_tokens=valid["n_tokens"],
        train_path=entry.path("train"),
        valid_path=entry.path("valid"),
        tokenizer_path=entry.tokenizer_path,
        n_documents=sum(stream["n_documents"] for stream in streams.values()),
        held_out=tuple(entry.meta["held_out"]),
        bytes_per_token=_bytes_per_token(valid),
        test_path=entry.path("test") if test else None,
        n_test_tokens=test["n_tokens"] if test else 0,
        held_out_test=tuple(entry.meta.get("held_out_test", ())),
        set_bytes_per_token={name: _bytes_per_token(streams[name]) for name in ("valid", "test") if name in streams},
        n_broken=entry.meta.get("n_broken", 0),
        n_near_duplicates=entry.meta.get("n_near_duplicates", 0),
    )


def _bytes_per_token(stream: dict[str, Any]) -> float:
    return stream["n_bytes"] / stream["n_tokens"]


def _fill_split(
    directory: Path, corpus: Corpus, splits: dict[str, str], tokenizer: "Bytes | Bpe | TokenizerFile"
) -> dict[str, Any]:
    """Write all files of a corpus folder but its meta file, whose content is returned."""
    path = None if tokenizer.kind == "bytes" else directory / TOKENIZER_FILE
    vocab_size = text_tokenizer.N_BYTES
    if tokenizer.kind == "file":
        vocab_size = text_tokenizer.copy_file(tokenizer, directory / TOKENIZER_FILE)
        text_tokenizer.check_gives_text_back(directory / TOKENIZER_FILE, (d.text for d in corpus.read()))
    elif tokenizer.kind == "bpe":
        vocab_size = tokenizer.vocab_size
        documents = with_progress_bar(corpus.read(), f"training a tokenizer on {corpus.label}")
        texts = (d.text.decode() for d in documents if d.group not in splits)
        text_tokenizer.train_bpe(directory / TOKENIZER_FILE, vocab_size, texts)

    def split_of(document: Document) -> str:
        return splits.get(document.group, "train")

    def named(split: str) -> list[str]:
        return [group for group, chosen in splits.items() if chosen == split and corpus.chronological]

    return {
        "vocab_size": vocab_size,
        "held_out": named("valid"),
        "held_out_test": named("test"),
        "streams": _write_streams(directory, corpus, split_of, path, vocab_size),
    }


def _write_streams(
    directory: Path, corpus: Corpus, split_of: Callable[[Document], str], tokenizer_path: Path | None, vocab_size: int
) -> dict[str, dict[str, Any]]:
    """Tokenise documents to one file for each split; return its name and sizes, by split."""
    streams: dict[str, dict[str, Any]] = {}
    encode, suffix = text_tokenizer.encoder(tokenizer_path, vocab_size), suffix_for(vocab_size)
    with contextlib.ExitStack() as stack:
        files = {}
        for document in with_progress_bar(corpus.read(), f"tokenising {corpus.label}"):
            split = split_of(document)
            (tokens,) = encode([document.text])
            if split not in files:
                path = directory / f"{split}{suffix}"
                files[split] = stack.enter_context(path.open("wb"))
                streams[split] = {"file": path.name, "n_documents": 0, "n_tokens": 0, "n_bytes": 0}
            files[split].write(tokens.tobytes())
            streams[split]["n_documents"] += 1
            streams[split]["n_tokens"] += len(tokens)
            streams[split]["n_bytes"] += len(document.text) + len(SEPARATOR)
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    check_tokens(streams, corpus.label)
    return streams


def check_tokens(streams: dict[str, dict[str, Any]], label: str) -> None:
    """Refuse documents for which a tokenizer has no token at all."""
    for split, stream in streams.items():
        if not stream["n_tokens"]:
            raise UserError(
                f"the tokenizer gives no token for the {stream['n_documents']} documents of {label!r} ({split}): set "
                "data.tokenizer.path to one made for such text"
            )


def stamp_of(path: Path) -> dict[str, Any]:
    """Size, time and content of a file, by which damage is seen."""
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": _sha256(path)}


def _find_or_make(
    data_dir: Path, corpus: Corpus, recipe: list[Any], fill: Callable[[Path, dict[str, int]], dict[str, Any]]
) -> Entry:
    signature = digest([FORMAT, corpus.signature, recipe])
    indexed = find_indexed(data_dir, signature)
    if indexed and (entry := sound_entry(indexed)):
        return entry
    group_bytes, content = _survey(corpus)
    name = folder_name(corpus.label, [FORMAT, content, recipe])
    entry = sound_entry(data_dir / name)
    if entry is None:
        entry = _make(data_dir / name, corpus.label, lambda directory: fill(directory, group_bytes))
    write_index(data_dir, signature, name)
    return entry


def find_indexed(data_dir: Path, signature: str) -> Path | None:
    """Folder that was made of a source with these outer signs; None if there was none."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return data_dir / parse_json((data_dir / "index" / f"{signature}.json").read_bytes())
    return None


def write_index(data_dir: Path, signature: str, name: str) -> None:
    """Note the folder of a source; this only saves time, and a read-only cache works without it."""
    with contextlib.suppress(HarnessError):
        write_json(data_dir / "index" / f"{signature}.json", name)


def folder_name(label: str, content: Any) -> str:
    """Name of a folder of the cache, by what is in it."""
    return re.sub(r"[^\w.-]+", "-", label).lstrip(".") + "-" + digest(content)[:12]


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


def _make(directory: Path, label: str, fill: Callable[[Path], dict[str, Any]]) -> Entry:
    partial = directory.parent / f".partial-{uuid.uuid4().hex}"
    try:
        partial.mkdir(parents=True)
        meta = {"label": label} | fill(partial)
        files = {path.name: stamp_of(path) for path in partial.iterdir()}
        write_json(partial / META_FILE, meta | {"files": files})
        return install(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def install(partial: Path, directory: Path) -> Entry:
    """Give a complete folder its final name, unless another process was first; a damaged one there is replaced."""
    while True:
        try:
            partial.rename(directory)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        entry = sound_entry(directory)
        if entry is not None:
            return entry
        with contextlib.suppress(FileNotFoundError):
            directory.rename(partial.with_name(f"{partial.name}-damaged"))
            shutil.rmtree(partial.with_name(f"{partial.name}-damaged"))


def sound_entry(directory: Path) -> Entry | None:
    """Read the meta file of a folder; None if the folder is missing or damaged."""
    if not (directory / META_FILE).exists():
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, FileNotFoundError):
        meta = parse_json((directory / META_FILE).read_bytes())
        if all(_is_sound(directory / name, stamp) for name, stamp in meta["files"].items()):
            return Entry(directory, meta)
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


def digest(document: Any) -> str:
    """SHA-256 of plain data."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
