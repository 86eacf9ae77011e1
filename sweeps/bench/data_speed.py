"""Measure how fast `data prepare` tokenises files, and its memory, beside the package `tokenizers` alone, in turn."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE
from tempfile import TemporaryDirectory, TemporaryFile

from scaling_harness.config.schema import ShardsData
from scaling_harness.data import text_tokenizer
from scaling_harness.data.shards.broken import Broken
from scaling_harness.data.shards.documents import open_source, read_documents
from scaling_harness.errors import UserError

_LOOK_EVERY_S = 0.05
_BATCH = 256
"""Documents that `tokenizers` gets at once."""


@dataclass(frozen=True)
class Tokenising:
    """What it took to tokenise the files once."""

    what: str
    mb: float
    """Text in 1e6 bytes."""
    wall_s: float
    cpu_s: float
    """Of all processes: ours with the start of Python and the writing, `tokenizers` with neither, nor the reading."""
    memory_mb: float
    """Peak resident memory of all processes together."""


def measure_tokenising(path: str, tokenizer: str, rounds: int, directory: str | None = None) -> list[Tokenising]:
    """Tokenise files with both, in turn.

    Parameters
    ----------
    path : str
        A file, folder or glob; see `ShardsData`.
    tokenizer : str
        A `tokenizer.json`.
    rounds : int
        How often.
    directory : str, optional
        Where the shards are written, for as long as it takes.

    Returns
    -------
    list of Tokenising

    Raises
    ------
    UserError
        Something is not there, or the text or the tokenizer cannot be used.
    """
    if rounds < 1:
        raise UserError(f"--rounds is {rounds}: give 1 or more")
    for needed in filter(None, (tokenizer, directory)):
        if not Path(needed).exists():
            raise UserError(f"{needed} does not exist: give a tokenizer.json, and a folder that is there")
    settings = ["data=shards", f"data.path={path}", f"data.tokenizer={{kind: file, path: {json.dumps(tokenizer)}}}"]
    rows = []
    for _ in range(rounds):
        alone, memory_mb = _watched([sys.executable, "-m", __name__, path, tokenizer])
        theirs = json.loads(alone)
        rows.append(Tokenising("tokenizers alone", **theirs, memory_mb=memory_mb))
        for what, chosen in (("data prepare", settings), ("data prepare, bytes", settings[:2])):
            rows.append(_prepared(what, chosen, theirs["mb"], directory))
    return rows


def ratio(rows: Sequence[Tokenising]) -> float:
    """CPU time of `data prepare` over that of `tokenizers` alone, of medians."""
    ours, theirs = (
        median(row.cpu_s for row in rows if row.what == what) for what in ("data prepare", "tokenizers alone")
    )
    return ours / theirs


def _prepared(what: str, settings: Sequence[str], mb: float, directory: str | None) -> Tokenising:
    with TemporaryDirectory(dir=directory) as cache:
        command = [sys.executable, "-m", "scaling_harness", "data", "prepare", *settings, f"runtime.data_dir={cache}"]
        wall_s, cpu_s = time.monotonic(), _children_s()
        _, memory_mb = _watched(command)
        return Tokenising(what, mb, time.monotonic() - wall_s, _children_s() - cpu_s, memory_mb)


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _watched(command: list[str]) -> tuple[str, float]:
    """What a command prints, and the peak memory of it and its children in 1e6 bytes."""
    peak = 0
    with TemporaryFile("w+") as said, subprocess.Popen(command, stdout=PIPE, stderr=said, text=True) as process:
        assert process.stdout is not None
        while process.poll() is None:
            peak = max(peak, sum(map(_resident_bytes, _family(process.pid))))
            time.sleep(_LOOK_EVERY_S)
        printed = process.stdout.read()
        said.seek(0)
        lines = said.read().strip().splitlines()
    if process.returncode:
        raise UserError((lines or ["it ended without a word"])[-1].removeprefix("error: "))
    return printed, peak / 1e6


def _family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # it has just ended
        return 0


def _encode_alone(path: str, tokenizer: str) -> None:
    """Give documents to `tokenizers`, on all cores, and print the time of that alone."""
    data, encoder = ShardsData(path=path), text_tokenizer.load(Path(tokenizer))
    found = (text for part in open_source(data).parts for text in read_documents(data, part))
    texts = [text.decode() for text in found if not isinstance(text, Broken)]
    wall_s, cpu_s = time.monotonic(), time.process_time()
    for start in range(0, len(texts), _BATCH):
        encoder.encode_batch(texts[start : start + _BATCH], add_special_tokens=False)
    seconds = {"wall_s": time.monotonic() - wall_s, "cpu_s": time.process_time() - cpu_s}
    print(json.dumps({"mb": sum(len(text.encode()) for text in texts) / 1e6, **seconds}))


if __name__ == "__main__":
    _encode_alone(*sys.argv[1:])
