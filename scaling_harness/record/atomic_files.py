"""Write files so that neither a kill, nor a full disk, nor a second process leaves half of one."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import from_json

from scaling_harness.errors import HarnessError, UserError


@contextlib.contextmanager
def explain_os_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, or a write below `path` that is refused, into a sentence.

    Raises
    ------
    UserError
        The directory cannot be written.
    HarnessError
        The disk is full, or the write failed otherwise.
    """
    try:
        yield
    except PermissionError as error:
        raise UserError(f"cannot write {path}: permission denied; choose another directory") from error
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write {path}: a file stands where a directory is needed") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"the disk holding {path} is full; free some space and start again: nothing is lost"
            raise HarnessError(message) from error
        if error.errno == errno.EROFS:
            raise UserError(f"cannot write {path}: read-only file system") from error
        raise


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all: temporary file beside it, fsync, rename, fsync of the directory.

    Parameters
    ----------
    path : Path
        Path of the file; missing parents are made.
    write : callable
        Called with the open binary file.

    Raises
    ------
    UserError, HarnessError
        See `explain_os_errors`.
    """
    with explain_os_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # below a broken link, or in /proc
            raise UserError(f"cannot write {path}: {path.parent} cannot be made; choose another directory") from error
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        _sync_directory(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; see `write_atomically`."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, document: Any) -> None:
    """Write one JSON document atomically; NaN and infinity, which are not JSON, are refused."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def parse_json(content: bytes | str) -> Any:
    """Parse JSON; every failure is a ValueError, also nesting too deep for Python."""
    with contextlib.suppress(ValueError):
        return from_json(content)  # takes half the time, but refuses half a surrogate pair, as of a file's odd name
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read the complete rows of an append-only file; an incomplete last line, left by a kill, is dropped.

    Parameters
    ----------
    path : Path
        File of one JSON object a line.

    Returns
    -------
    list of dict
        Empty if the file does not exist.

    Raises
    ------
    HarnessError
        A line other than the last is no JSON object.
    """
    rows, damaged = rows_until_damage(path.read_bytes()) if path.exists() else ([], None)
    if damaged:
        raise HarnessError(f"{path} line {damaged} is no JSON object: the file was damaged; delete it")
    return rows


def rows_until_damage(content: bytes) -> tuple[list[dict[str, Any]], int | None]:
    """Rows up to the first line that is damaged, and the number of that line; see `read_jsonl`."""
    lines = content.split(b"\n")
    if (rows := _whole_rows([line for line in lines if line])) is not None:
        return rows, None
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line) if line else None
        except ValueError:
            row = ()
        if isinstance(row, dict):
            rows.append(row)
        elif line:
            return rows, number if number < len(lines) else None
    return rows, None


def rows_with_fields(content: bytes, names: Sequence[str]) -> list[list[dict[str, Any]]] | None:
    """Rows that have each field; None if a line is cut, or one of theirs damaged: see `rows_until_damage`.

    The others are not parsed: damage within their braces is not seen.
    """
    if not content.startswith(b"{") or content.count(b"\n") != content.count(b"}\n{") + 1:
        return None
    found = [_rows_with_field(content, name) for name in names]
    whole = [rows for rows in found if rows is not None]
    return whole if len(whole) == len(found) else None


def _rows_with_field(content: bytes, name: str) -> list[dict[str, Any]] | None:
    field, lines, end = f'"{name}"'.encode(), [], 0
    while (at := content.find(field, end)) >= 0:
        end = content.find(b"\n", at)
        lines.append(content[content.rfind(b"\n", 0, at) + 1 : end])
    rows = _whole_rows(lines)
    return rows and [row for row in rows if name in row]


def _whole_rows(lines: list[bytes]) -> list[dict[str, Any]] | None:
    """Rows of lines that are all whole, parsed at once: a sweep may have ten million; None if one is damaged."""
    try:
        rows = from_json(b"[" + b",".join(lines) + b"]")
    except ValueError:
        return None
    return rows if len(rows) == len(lines) and set(map(type, rows)) <= {dict} else None


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
