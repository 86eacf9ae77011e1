"""Cut a source in parts, each read by one process: the same ones on every machine, whatever its cores."""

import dataclasses
import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scaling_harness.data.shards.broken import Broken
from scaling_harness.errors import UserError

SUFFIXES = (".txt", ".jsonl", ".parquet")
COMPRESSED = (".zst", ".gz")
PART_BYTES = 16_000_000
"""Smallest size of a part, in bytes of text as far as they are known; larger ones where there would be too many."""
MOST_PARTS = 4096
MOST_PARTS_COMPRESSED = 16
"""Largest number of parts of one compressed file: each of them decompresses the whole file."""
_RATIO = 4
"""Guess of the bytes of text in a compressed byte."""


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
        return self.path.endswith(COMPRESSED)


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
    files = [(file, file.stat()) for file in find_files(path)]
    total = sum(stat.st_size * (_RATIO if str(file).endswith(COMPRESSED) else 1) for file, stat in files)
    wanted = max(PART_BYTES, total // MOST_PARTS)
    parts, broken = list[Part](), list[Broken]()
    for file, stat in files:
        whole = Part(str(file), _kind(file), size=stat.st_size, stamp=(stat.st_size, stat.st_mtime_ns))
        for part in _cut(whole, wanted):
            if isinstance(part, Broken):
                broken.append(part)
            else:
                parts.append(part)
    return parts, broken


def find_files(path: str) -> list[Path]:
    """Files of a folder with a known suffix, or those that a name or a glob names, in order."""
    root = Path(path).expanduser()
    if root.is_dir():
        files = sorted(file for file in root.rglob("*") if _is_known(file) and file.is_file())
        if not files:
            known = ", ".join((*SUFFIXES, *COMPRESSED))
            raise UserError(f"the directory {path} holds no {known} file; name another directory or a file")
        return files
    files = [root] if root.exists() else sorted(Path(name) for name in glob.glob(str(root), recursive=True))
    files = [file for file in files if file.is_file()]
    if not files:
        raise UserError(f"{path} does not exist (from {Path.cwd()}): give a file, a directory or a glob")
    return files


def _is_known(file: Path) -> bool:
    return file.suffix in SUFFIXES or (file.suffix in COMPRESSED and Path(file.stem).suffix in (".txt", ".jsonl"))


def _kind(file: Path) -> Literal["text", "jsonl", "parquet"]:
    inner = Path(file.stem).suffix if file.suffix in COMPRESSED else file.suffix
    return "jsonl" if inner == ".jsonl" else "parquet" if inner == ".parquet" else "text"


def _cut(whole: Part, wanted: int) -> Iterable[Part | Broken]:
    if whole.kind == "parquet":
        return _cut_parquet(whole, wanted)
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
