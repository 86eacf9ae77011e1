"""Tokenise a source of any size to shards, or find them in the cache; see `token_cache` for its folders.

What is done lies in `.preparing-HASH`: a file for every part that is whole, and its shards. A kill loses the parts that
were being read, and no others; a changed file is read again, and no other one.
"""

import contextlib
import dataclasses
import fcntl
import logging
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling_harness.data import text_tokenizer
from scaling_harness.data.shards import near_duplicates
from scaling_harness.data.shards.broken import Broken, refusal, skipped_sentence
from scaling_harness.data.shards.documents import Source, open_source, read_documents, split_of
from scaling_harness.data.shards.near_duplicates import SignatureTask
from scaling_harness.data.shards.parts import Part
from scaling_harness.data.shards.tokenise_part import PartTask, tokenise_part
from scaling_harness.data.shards.worker_processes import for_each_part
from scaling_harness.data.token_cache import (
    META_FILE,
    TOKENIZER_FILE,
    DataInfo,
    Entry,
    check_extra_sets,
    check_tokens,
    digest,
    find_indexed,
    folder_name,
    install,
    sound_entry,
    stamp_of,
    with_extra_sets,
    write_index,
)
from scaling_harness.data.token_shards import SUFFIX
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import explain_os_errors, parse_json, write_atomically, write_json, write_text

if TYPE_CHECKING:
    from scaling_harness.config.schema import ShardsData

FORMAT = 1
"""Increased by hand whenever the same source would give other tokens or another folder layout."""
TOKENIZER_BYTES = 100_000_000
"""A tokenizer is trained on at most so much text, as much of every part."""
_TRIED_PARTS = 16
"""A tokenizer made elsewhere is tried on the start of about so many parts."""
_SPLITS = ("train", "valid", "test")
_log = logging.getLogger(__name__)


def prepare(data: "ShardsData", extra_sets: Iterable[str], data_dir: Path) -> DataInfo:
    """Tokenise a source with all cores, or find its shards; a second process waits for the first.

    Parameters
    ----------
    data : ShardsData
        Source, tokenizer and splits.
    extra_sets, data_dir : iterable of str, Path
        See `token_cache.prepare`.

    Returns
    -------
    DataInfo

    Raises
    ------
    UserError
        The source is missing, broken (unless that is to be skipped), or leaves a split empty; the tokenizer is missing,
        or not the one that the shards were made with.
    HarnessError
        The disk is full, or a process was killed.
    """
    data_dir = data_dir.expanduser().resolve()
    check_extra_sets(extra_sets := tuple(extra_sets))
    if data.near_duplicates is not None:
        near_duplicates.check_installed()
    source = open_source(data)
    made_of = digest([FORMAT, source.signature, _recipe(data)])
    signature = digest([made_of, data.on_broken])
    with explain_os_errors(data_dir):
        entry = _find(data_dir, signature)
        if entry is None:
            folder = data_dir / f".preparing-{digest([data.path, data.dataset, _recipe(data)])[:16]}"
            with _alone(folder):
                entry = _find(data_dir, signature)
                if entry is None:
                    entry = _make(data, source, folder, made_of)
                    write_index(data_dir, signature, entry.directory.name)
        return dataclasses.replace(with_extra_sets(entry, extra_sets, data_dir), train_tokens=data.train_tokens)


def _recipe(data: "ShardsData") -> list[Any]:
    """What decides the tokens beside the files."""
    reading = [data.text_field, data.document_separator, data.subset, data.split, data.near_duplicates]
    return [text_tokenizer.settings_of(data.tokenizer), data.valid_fraction, data.test_fraction, *reading]


def _find(data_dir: Path, signature: str) -> Entry | None:
    """Find finished shards; refuse another tokenizer than theirs beside them."""
    folder = find_indexed(data_dir, signature)
    if folder is None:
        return None
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        meta = parse_json((folder / META_FILE).read_bytes())
        path, stamp = folder / TOKENIZER_FILE, meta["files"].get(TOKENIZER_FILE)
        if stamp and path.exists() and stamp_of(path)["sha256"] != stamp["sha256"]:
            V = text_tokenizer.file_vocab_size(path)
            raise UserError(
                f"{path} is not the tokenizer of the shards beside it, which have a vocabulary of {meta['vocab_size']} "
                f"(this one has {V}): put the old one back, or delete the folder and prepare the text again"
            )
    return sound_entry(folder)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time work in a folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f"{folder.name}.lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("another process prepares this text: waiting for it", file=sys.stderr)
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
    path.unlink(missing_ok=True)


def _make(data: "ShardsData", source: Source, folder: Path, made_of: str) -> Entry:
    if source.broken and data.on_broken == "refuse":
        raise UserError(refusal(source.broken[0]))
    folder.mkdir(parents=True, exist_ok=True)
    for half_written in folder.glob(".*"):  # of attempts that were killed, for no other process works here now
        half_written.unlink(missing_ok=True)
    left_out = _find_left_out(data, source, folder)
    path, vocab_size = _tokenizer(data, source, folder, made_of)
    made_with = [path and stamp_of(path)["sha256"], *_recipe(data)]
    tasks = [
        PartTask(data, part, _key(part, made_with, mask), folder, path, vocab_size, mask)
        for part, mask in zip(source.parts, left_out, strict=True)
    ]
    open_tasks = [task for task in tasks if not _is_done(task)]
    done = sum(task.part.size for task in tasks) - sum(task.part.size for task in open_tasks)
    for_each_part(tokenise_part, open_tasks, f"tokenising {source.label}", done)
    return _finish(source, tasks, folder, path, vocab_size)


def _key(part: Part, made_with: list[Any], left_out: Path | None) -> str:
    return digest([vars(part), made_with, left_out and left_out.name])[:32]


def _is_done(task: PartTask) -> bool:
    """Whether a part is whole: by the rule for what is broken, too, and with its shards still there."""
    try:
        document = parse_json(task.done.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    if document["n_broken"] and task.data.on_broken == "refuse":
        return False
    return all((task.folder / stream["shard"]).exists() for stream in document["streams"].values())


def _find_left_out(data: "ShardsData", source: Source, folder: Path) -> Sequence[Path | None]:
    """Files that mark the near duplicates of each part, named by their content."""
    if data.near_duplicates is None:
        return [None] * len(source.parts)
    where = folder / "signatures"
    tasks = [SignatureTask(data, part, where / f"{digest(vars(part))[:32]}.signatures") for part in source.parts]
    open_tasks = [task for task in tasks if not task.path.exists()]
    for_each_part(near_duplicates.write_signatures, open_tasks, f"comparing the documents of {source.label}")
    paths = []
    for mask in near_duplicates.find_near_duplicates([task.path for task in tasks], data.near_duplicates):
        path = where / f"left-out-{digest(np.packbits(mask).tobytes().hex())[:32]}-{len(mask)}.npy"
        write_atomically(path, lambda file, mask=mask: np.save(file, mask))
        paths.append(path)
    return paths


def _tokenizer(data: "ShardsData", source: Source, folder: Path, made_of: str) -> tuple[Path | None, int]:
    """Train the tokenizer, or copy the user's; named by what it was made of, so that a changed source has another."""
    settings = data.tokenizer
    if settings.kind == "bytes":
        return None, text_tokenizer.N_BYTES
    path = folder / f"tokenizer-{made_of[:16]}.json"
    if settings.kind == "file":
        vocab_size = text_tokenizer.copy_file(settings, path)
        parts = source.parts[:: max(1, len(source.parts) // _TRIED_PARTS)]
        sample = _sample(data, parts, text_tokenizer.SAMPLE_BYTES // _TRIED_PARTS)
        text_tokenizer.check_gives_text_back(path, sample)
        return path, vocab_size
    if not path.exists():
        print(f"training a tokenizer of {settings.vocab_size:,} tokens on {source.label}", file=sys.stderr)
        temporary = folder / f".tokenizer-{os.getpid()}"
        texts = _sample(data, source.parts, TOKENIZER_BYTES / max(1, len(source.parts)))
        text_tokenizer.train_bpe(temporary, settings.vocab_size, (text.decode(errors="replace") for text in texts))
        temporary.rename(path)
    return path, settings.vocab_size


def _sample(data: "ShardsData", parts: Sequence[Part], share: float) -> Iterator[bytes]:
    """Training documents from the start of every part, of so many bytes together."""
    for part in parts:
        taken = 0
        for text in read_documents(data, part):
            if isinstance(text, Broken):
                continue
            if split_of(text, data.valid_fraction, data.test_fraction) == "train":
                taken += len(text)
                yield text
            if taken >= share:
                break


def _finish(source: Source, tasks: Sequence[PartTask], folder: Path, tokenizer: Path | None, vocab_size: int) -> Entry:
    """Write the indices and the meta file, delete what is not in them, and give the folder its name."""
    results = [parse_json(task.done.read_bytes()) for task in tasks]
    broken = [*source.broken, *(Broken(*one) for result in results for one in result["broken"])]
    counts = _count_broken(source, tasks, results)
    if broken:
        _log.warning("%s", skipped_sentence(broken, counts))
    streams, files = {}, {}
    for split in _SPLITS:
        shards = [result["streams"][split] for result in results if split in result["streams"]]
        if shards:
            name = f"{split}{SUFFIX}"
            write_text(folder / name, _index(shards))
            sums = {name: sum(shard[name] for shard in shards) for name in ("n_documents", "n_tokens", "n_bytes")}
            streams[split] = {"file": name, **sums}
            files[name] = stamp_of(folder / name)
            files |= {shard["shard"]: _shard_stamp(folder, shard) for shard in shards}
    _check_splits(streams, source, with_test=any(task.data.test_fraction for task in tasks))
    if tokenizer is not None:
        write_text(folder / TOKENIZER_FILE, tokenizer.read_text())
        files[TOKENIZER_FILE] = stamp_of(folder / TOKENIZER_FILE)
    meta = {
        "label": source.label,
        "vocab_size": vocab_size,
        "held_out": [],
        "held_out_test": [],
        "streams": streams,
        "files": files,
        "n_broken": sum(counts.values()),
        "n_near_duplicates": sum(result["n_near_duplicates"] for result in results),
    }
    if n := meta["n_near_duplicates"]:
        _log.warning("left out %d near duplicates of other documents", n)
    write_json(folder / META_FILE, meta)
    _delete_others(folder, {META_FILE, *files})
    content = sorted(stamp["sha256"] for stamp in files.values())
    entry = install(folder, folder.parent / folder_name(source.label, [FORMAT, vocab_size, content]))
    shutil.rmtree(folder, ignore_errors=True)  # still there if an equal entry was
    return entry


def _count_broken(source: Source, tasks: Sequence[PartTask], results: Sequence[dict[str, Any]]) -> Counter[str]:
    """Broken pieces by file; what fails a file as a whole is one, though each of its parts met it."""
    counts, whole = Counter(one.path for one in source.broken), set[tuple[str, str]]()
    for task, result in zip(tasks, results, strict=True):
        met = {(path, reason) for path, place, reason in result["broken"] if not place}
        if n := result["n_broken"] - len(met & whole):
            counts[task.part.path] += n
        whole |= met
    return counts


def _shard_stamp(folder: Path, shard: dict[str, Any]) -> dict[str, Any]:
    stat = (folder / shard["shard"]).stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": shard["sha256"]}


def _index(shards: Sequence[dict[str, Any]]) -> str:
    rows = [[shard["shard"], shard["n_tokens"], shard["sha256"]] for shard in shards]
    return '{"shards": [\n' + ",\n".join(str(row).replace("'", '"') for row in rows) + "\n]}\n"


def _check_splits(streams: dict[str, Any], source: Source, *, with_test: bool) -> None:
    wanted = [split for split in _SPLITS if split != "test" or with_test]
    empty = [split for split in wanted if split not in streams]
    if not streams:
        raise UserError(f"the source {source.label!r} holds no text: name files that contain some")
    if empty:
        n = sum(stream["n_documents"] for stream in streams.values())
        raise UserError(
            f"the {empty[0]} split of {n} documents is empty: change data.valid_fraction or data.test_fraction, give "
            "more documents, or cut them with data.document_separator"
        )
    check_tokens(streams, source.label)


def _delete_others(folder: Path, kept: set[str]) -> None:
    """Delete signatures, marks of finished parts, and shards of files that have changed since."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in kept:
            path.unlink()
    for path in folder.iterdir():
        if path.is_dir():
            path.rmdir()
