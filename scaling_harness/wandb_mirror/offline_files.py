"""Read back what wandb wrote offline: a run's config, its summary and how it ended, as the public API gives them.

Wandb has no reader of these files that Python can call. They are LevelDB's log format behind 7 bytes: blocks of 32 KiB
with records in parts, each record a message of wandb's own protocol.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scaling_harness.errors import HarnessError, UserError

_MAGIC = b":W&B"
_START, _BLOCK = 7, 32768
_PART = struct.Struct("<IHB")
_LAST_PARTS = (1, 4)
"""Kinds of parts that end a record: the whole of it, or its last part."""


def read_offline_runs(folder: Path) -> list[dict[str, Any]]:
    """Read every run below a folder.

    Parameters
    ----------
    folder : Path
        Such as `runs/wandb`, or one `.wandb` file.

    Returns
    -------
    list of dict
        Of each run id, name, state, project, entity, group, job_type, tags, created_at in seconds since 1970, config
        and summary, in the order in which they were made. Of an id that is there twice the newest.

    Raises
    ------
    UserError
        There is no such file.
    HarnessError
        A file is not of wandb.
    """
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.wandb"))
    if not paths:
        raise UserError(f"{folder} holds no .wandb file: give the folder wandb that wandb made, such as runs/wandb")
    runs = sorted((run for path in paths if (run := _read_run(path))), key=lambda run: run["created_at"])
    return list({(run["entity"], run["project"], run["id"]): run for run in runs}.values())


def _read_run(path: Path) -> dict[str, Any] | None:
    """What the records of a file come to; None if it was cut off before the run was named."""
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportAttributeAccessIssue]  # made when imported

    run: dict[str, Any] = {}
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    state = "running"
    for message in _messages(path):
        record: Any = Record.FromString(message)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = _header(record.run)
            _update(config, record.run.config.update)
        elif kind == "config":
            _update(config, record.config.update)
        elif kind == "history":
            _update(summary, record.history.item)
        elif kind == "summary":
            _update(summary, record.summary.update)
        elif kind == "exit":
            state = "failed" if record.exit.exit_code else "finished"
    config.pop("_wandb", None)
    return {**run, "state": state, "config": config, "summary": summary} if run else None


def _header(run: Any) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "name": run.display_name or run.run_id,
        "project": run.project,
        "entity": run.entity,
        "group": run.run_group,
        "job_type": run.job_type,
        "tags": list(run.tags),
        "created_at": run.start_time.ToNanoseconds() / 1e9,
    }


def _update(target: dict[str, Any], items: Iterable[Any]) -> None:
    """Set each item by its key, or by its path of keys; NaN and infinity, which no table may hold, become None."""
    for item in items:
        if not item.value_json:
            continue
        *path, last = item.nested_key or [item.key]
        inner = target
        for part in path:
            inner[part] = inner[part] if isinstance(inner.get(part), dict) else {}
            inner = inner[part]
        inner[last] = json.loads(item.value_json, parse_constant=lambda _: None)


def _messages(path: Path) -> Iterator[bytes]:
    """Each whole record of a file; one that was cut off, as by a kill, ends it."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        raise HarnessError(f"{path} was not written by wandb: leave it out")
    at, record = _START, b""
    while at + _PART.size <= len(data):
        room = _BLOCK - at % _BLOCK
        if room < _PART.size:
            at += room
            continue
        _, size, kind = _PART.unpack_from(data, at)
        end = at + _PART.size + size
        if end > len(data):
            return
        record += data[at + _PART.size : end]
        at = end
        if kind in _LAST_PARTS:
            yield record
            record = b""
