"""The documents of a part, of files or of a data set, and the split that each is in."""

import hashlib
import importlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.data.shards.broken import Broken
from scaling_harness.data.shards.parts import Part, parts_of_files
from scaling_harness.data.shards.read_part import Texts, read_part
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from scaling_harness.config.schema import ShardsData

_HASHES = float(1 << 64)


@dataclass(frozen=True)
class Source:
    """A source cut in parts."""

    label: str
    parts: list[Part]
    broken: list[Broken]
    """Files that cannot be cut in parts."""
    signature: Any
    """Plain data that changes when the source may have changed."""


def split_of(text: bytes, valid_fraction: float, test_fraction: float) -> str:
    """Split of a document, by its hash alone: copies are in one split, and more documents change no other's.

    Examples
    --------
    >>> [split_of(text, 0.3, 0.3) for text in (b"a", b"b", b"d")]
    ['test', 'valid', 'valid']
    """
    place = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / _HASHES
    return "valid" if place < valid_fraction else "test" if place < valid_fraction + test_fraction else "train"


def open_source(data: "ShardsData") -> Source:
    """Find the parts of a source.

    Raises
    ------
    UserError
        There is no such source.
    """
    if data.path is not None:
        parts, broken = parts_of_files(data.path)
        label = data.path.rstrip("/").rpartition("/")[2].partition(".")[0].replace("*", "") or "text"
        signature = [[vars(part) for part in parts], [vars(one) for one in broken]]
        return Source(label, parts, broken, signature)
    return _open_data_set(data)


def read_documents(data: "ShardsData", part: Part) -> Texts:
    """Yield the documents of a part, and what of it cannot be read."""
    if part.kind == "hub":
        return _read_data_set(data, part)
    return read_part(part, data.text_field, data.document_separator)


def _open_data_set(data: "ShardsData") -> Source:
    rows = _load(data)
    names = rows.column_names
    if names is not None and data.text_field not in names:
        raise UserError(
            f"data set {data.dataset!r} has no field {data.text_field!r}, only {', '.join(map(repr, names))}: set "
            "data.text_field"
        )
    n, name = rows.num_shards, data.dataset or ""
    local = _signs_of_folder(Path(name))
    parts = [Part(name, "hub", k, n, stamp=_stamp_of(local)) for k in range(n)]
    label = name.rstrip("/").rpartition("/")[2]
    version = importlib.metadata.version("datasets")
    signature = ["datasets", version, name, data.subset, data.split, n, str(rows.info.version), *local]
    return Source(label, parts, [], signature)


def _signs_of_folder(folder: Path) -> list[Any]:
    """Where a local data set is, and each of its files, by size and time: its name alone says nothing of its content.

    Empty for a data set of the hub, whose shards keep the names they have.
    """
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path, path.stat()) for path in files]
    return [str(folder.resolve()), [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]]


def _stamp_of(local: list[Any]) -> tuple[int, int]:
    """Mark the parts too, or those of a preparation that was killed would be taken for those of a changed folder."""
    return (0, int(hashlib.sha256(repr(local).encode()).hexdigest()[:15], 16)) if local else (0, 0)


def _read_data_set(data: "ShardsData", part: Part) -> Texts:
    try:
        rows = _load(data).shard(num_shards=part.stop, index=part.start)
        for number, row in enumerate(rows, start=1):
            place, text = f"part {part.start} row {number}", row.get(data.text_field)
            if not isinstance(text, str):
                yield Broken(part.path, place, f"holds {type(text).__name__} in field {data.text_field!r}, not text")
            elif text:
                yield text.encode(errors="replace")
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        yield Broken(part.path, f"part {part.start}", f"cannot be read to its end ({reason})")


def _load(data: "ShardsData") -> Any:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        raise UserError("data.dataset needs the extra: pip install 'scaling-harness[hf]'") from error
    try:
        return datasets.load_dataset(data.dataset, name=data.subset, split=data.split, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"datasets cannot stream {data.dataset!r}: {reason}") from error
