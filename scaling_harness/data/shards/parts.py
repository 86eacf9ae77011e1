"""Cut a source in parts, each read by one process: the same ones on every machine, whatever its cores."""

import dataclasses
import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scaling_harness.data.shards.broken import Broken
from scaling_harness.errors import UserError

Kind = Literal["text", "jsonl", "parquet"]
KINDS: dict[str, Kind] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
"""What a file holds, by the suffix of its name in lower case."""
COMPRESSED = (".zst", ".gz")
PART_BYTES = 16_000_000
"""Smallest size of a part, in bytes of text as far as they are known; larger ones where there would be too many."""
MOST_PARTS = 4096
MOST_PARTS_COMPRESSED = 16
"""Largest number of parts of one compressed file: each of them decompresses the whole file."""
_RATIO = 4
"""Guess of the bytes of text in a compressed byte."""
_READABLE = f"{', '.join(KINDS)}; of text and JSON also those compressed, with {' or '.join(COMPRESSED)} behind it"
_NAMED = 3


@dataclass(frozen=True)
class Part:
    """What one process reads at a time."""

    path: str
    """A file, or the name of a data set."""
    kind: Literal["text", "jsonl", "parquet", "hub"]
    start: int = 0
    stop: int = 0
    """Bytes or row groups from `start` to `stop`; of a compressed file or a data set, share `start` of `stop`."""
    size: int = 0
    """Bytes of the file that it stands for."""
    stamp: tuple[int, int] = (0, 0)
    """Size of the whole file and time of its last change."""

    @property
    def is_compressed(self) -> bool:
        """Whether the file must be read from its beginning."""
        return self.path.lower().endswith(COMPRESSED)


def parts_of_files(path: str) -> tuple[list[Part], list[Broken]]:
    """Cut files in parts.

    Parameters
    ----------
    path : str
        A file, a folder or a glob.

    Returns
    -------
    list of Part
        In order of the files' names.
    list of Broken
        Files that cannot be cut.

    Raises
    ------
    UserError
        There is no such file.
    """
    found = [(file, _stat(file)) for file in find_files(path)]
    files = [(file, stat) for file, stat in found if not isinstance(stat, Broken)]
    total = sum(stat.st_size * (_RATIO if file.suffix.lower() in COMPRESSED else 1) for file, stat in files)
    wanted = max(PART_BYTES, total // MOST_PARTS)
    parts, broken = list[Part](), [stat for _, stat in found if isinstance(stat, Broken)]
    for file, stat in files:
        whole = Part(str(file), _kind(file) or "text", size=stat.st_size, stamp=(stat.st_size, stat.st_mtime_ns))
        for part in _cut(whole, wanted):
            if isinstance(part, Broken):
                broken.append(part)
            else:
                parts.append(part)
    return parts, broken


def find_files(path: str) -> list[Path]:
    """Files of a folder with a known suffix, or those that a name or a glob names, in order."""
    root = Path(path).expanduser()
    try:
        return _find_in_folder(root) if root.is_dir() else _find_named(root)
    except OSError as error:
        raise UserError(
            f"{error.filename or root} cannot be read ({error.strerror}): change its mode, or name files elsewhere"
        ) from error


def _stat(file: Path) -> os.stat_result | Broken:
    """Size and times of a file, which may have gone since its folder was read."""
    try:
        return file.stat()
    except OSError as error:
        return Broken(str(file), "", f"cannot be read ({error.strerror})")


def _raise(error: OSError) -> None:
    raise error


def _find_in_folder(root: Path) -> list[Path]:
    found, others = list[Path](), list[str]()
    for folder, folders, names in os.walk(root, onerror=_raise):
        for file in (Path(folder, name) for name in names):
            if _kind(file) and file.is_file():
                found.append(file)
            else:
                others.append(str(file.relative_to(root)))
        # A linked directory may hold what is here already, or lead back here: it is named, and not followed.
        links = (link for name in folders if (link := Path(folder, name)).is_symlink())
        others += [f"{link.relative_to(root)} (a linked directory)" for link in links]
    named = _some(others)
    if not found:
        holds = f", only {named}" if others else ""
        raise UserError(
            f"the directory {root} holds no file that can be read{holds}: name another directory or a file "
            f"({_READABLE})"
        )
    if others:
        print(
            f"of the directory {root}, {len(others):,} files are not read: {named} (only {_READABLE})", file=sys.stderr
        )
    return sorted(found)


def _find_named(root: Path) -> list[Path]:
    names = [root] if root.exists() else sorted(Path(name) for name in glob.glob(str(root), recursive=True))
    files = [file for file in names if file.is_file()]
    if not files:
        raise UserError(f"{root} does not exist (from {Path.cwd()}): give a file, a directory or a glob")
    if unknown := [file for file in files if not _kind(file) and _inner_suffix(file)]:
        raise UserError(
            f"nothing is known of the suffix of {_some(unknown)}: give files of another kind, or name a text "
            f"file .txt ({_READABLE})"
        )
    others = [name for name in names if name not in files]
    if others and "**" not in root.parts:  # which names every directory, and the files in it too
        print(f"of {root} these are not read, since they are no files: {_some(others)}", file=sys.stderr)
    return files


def _some(names: Iterable[str | Path]) -> str:
    """Name the first few of some files, and count the others."""
    named = sorted(map(str, names))
    return ", ".join(named[:_NAMED]) + (f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else "")


def _inner_suffix(file: Path) -> str:
    """Suffix in lower case, without that of a compressed file."""
    suffix = file.suffix.lower()
    return Path(file.stem).suffix.lower() if suffix in COMPRESSED else suffix


def _kind(file: Path) -> Kind | None:
    """What a file holds by its name, if that says it."""
    kind = KINDS.get(_inner_suffix(file))
    return None if kind == "parquet" and file.suffix.lower() in COMPRESSED else kind


def _cut(whole: Part, wanted: int) -> Iterable[Part | Broken]:
    if whole.kind == "parquet":
        return _cut_parquet(whole, wanted)
    if whole.is_compressed and not whole.size:
        return [Broken(whole.path, "", "is empty, where even a compressed empty file has some bytes")]
    if whole.is_compressed:
        n = max(1, min(MOST_PARTS_COMPRESSED, whole.size * _RATIO // wanted))
        return [dataclasses.replace(whole, start=k, stop=n, size=whole.size // n) for k in range(n)]
    bounds = range(0, whole.size, wanted)
    ends = [min(start + wanted, whole.size) for start in bounds]
    spans = zip(bounds, ends, strict=True)
    return [dataclasses.replace(whole, start=a, stop=b, size=b - a) for a, b in spans]


def _cut_parquet(whole: Part, wanted: int) -> Iterator[Part | Broken]:
    """Consecutive row groups, until they have the wanted size."""
    from pyarrow import parquet

    try:
        metadata: Any = parquet.read_metadata(whole.path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are among them
        yield Broken(whole.path, "", f"is not a Parquet file ({_first_line(error)})")
        return
    start = size = 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= wanted or group + 1 == metadata.num_row_groups:
            yield dataclasses.replace(whole, start=start, stop=group + 1, size=size)
            start, size = group + 1, 0


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
