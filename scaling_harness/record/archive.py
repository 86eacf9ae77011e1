"""`NAME.runs.zst`: the listing, records and thinned curves of a sweep in one small file; no torch.

Zstandard-compressed JSON lines, for `zstdcat`: a header with format, version and checksum of the rest; the listing
without what belongs to the machine it was planned on; one line a finished run. A listed run without a line has not
finished. The same runs give the same bytes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record import record as records
from scaling_harness.record import sweep_listing
from scaling_harness.record.atomic_files import read_jsonl, write_atomically
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store
from scaling_harness.record.sweep_listing import SweepListing

FORMAT = "scaling-harness runs"
SCHEMA_VERSION = 1
SUFFIX = ".runs.zst"
PREFIX = "archive:"
COMMITTED = Path(__file__).resolve().parents[2] / "sweeps" / "archive"
"""Archives that come with the code: `archive:NAME` is `COMMITTED/NAME.runs.zst`."""

MIN_EVALUATIONS = 5
"""A curve with fewer evaluations is kept whole: approach 1 then smooths its training losses."""
GRID_BITS = 3
"""Training steps with at most so many significant bits are kept: 1 to 8, then 4 in every octave."""

_LEVEL = 19
Curve = tuple[Mapping[str, Any], ...]
"""Rows of a `metrics.jsonl`."""


@dataclass(frozen=True)
class ArchivedRun:
    """A finished run."""

    record: RunRecord
    curve: Curve
    """Thinned: see `thin`."""


@dataclass(frozen=True)
class Archive:
    """A sweep as it was planned and what has finished of it, by run_id in the order of the listing."""

    listing: SweepListing
    runs: Mapping[str, ArchivedRun]


def locate(path: Path | str) -> Path:
    """Path of what a user names: `archive:NAME` is a committed archive, anything else a path.

    Raises
    ------
    UserError
        There is no committed archive of that name.
    """
    if not str(path).startswith(PREFIX):
        return Path(path)
    name = str(path).removeprefix(PREFIX)
    file = COMMITTED / f"{name}{SUFFIX}"
    if not file.is_file():
        there = sorted(each.name.removesuffix(SUFFIX) for each in COMMITTED.glob(f"*{SUFFIX}"))
        raise UserError(f"there is no archive {name!r}; there are: {', '.join(there) or 'none'}")
    return file


def is_archive(path: Path) -> bool:
    """Whether a path is named as an archive is."""
    return path.name.endswith(SUFFIX)


def archive_name(path: Path) -> str:
    """File name of an archive without its suffix."""
    return path.name.removesuffix(SUFFIX)


def thin(curve: Sequence[Mapping[str, Any]]) -> Curve:
    """Keep every evaluation and gradient measurement, the last training step, and others on a grid common to all runs.

    What approach 1 and the gradient noise scale read of a curve stays whole, hence their numbers. Thinning twice gives
    the same as once.
    """
    if sum("valid_loss" in row for row in curve) < MIN_EVALUATIONS:
        return tuple(curve)
    last = max((row["step"] for row in curve), default=0)
    return tuple(row for row in curve if row["step"] == last or _is_measurement(row) or _is_on_grid(row["step"]))


def _is_measurement(row: Mapping[str, Any]) -> bool:
    return "valid_loss" in row or "grad_sq" in row


def _is_on_grid(step: int) -> bool:
    dropped_bits = max(0, step.bit_length() - GRID_BITS)
    return step % (1 << dropped_bits) == 0


def export_sweep(sweep_dir: Path) -> Archive:
    """Collect the finished runs of a sweep from the store beside it.

    Raises
    ------
    UserError
        There is no such sweep.
    HarnessError
        Its listing, a record or a curve is damaged.
    """
    listing = dataclasses.replace(
        sweep_listing.read_listing(sweep_dir), launch=None, schema_version=sweep_listing.SCHEMA_VERSION
    )
    store = Store(sweep_dir.parent)
    finished = [run.run_id for run in listing.runs if store.is_finished(run.run_id)]
    return Archive(listing, {run_id: ArchivedRun(store.read(run_id), read_curve(store, run_id)) for run_id in finished})


def read_curve(store: Store, run_id: str) -> Curve:
    """The thinned curve of a run in a store."""
    return thin(read_jsonl(store.metrics_path(run_id)))


def write_archive(path: Path, archive: Archive) -> None:
    """Write an archive atomically."""
    import pyarrow

    lines = [sweep_listing.to_document(archive.listing)]
    lines += [{"record": dataclasses.asdict(run.record), "curve": run.curve} for run in archive.runs.values()]
    body = b"".join(_line(line) for line in lines)
    header = {"format": FORMAT, "schema_version": SCHEMA_VERSION, "sha256": hashlib.sha256(body).hexdigest()}
    compressed = pyarrow.Codec("zstd", compression_level=_LEVEL).compress(_line(header) + body, asbytes=True)
    write_atomically(path, lambda file: file.write(compressed))


def _line(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read_archive(path: Path) -> Archive:
    """Read an archive.

    Parameters
    ----------
    path : Path
        `NAME.runs.zst`.

    Returns
    -------
    Archive

    Raises
    ------
    UserError
        There is no such file, or it is no archive.
    HarnessError
        It is damaged, or of a newer version.
    """
    header, _, body = _decompress(path).partition(b"\n")
    try:
        described = json.loads(header)
    except ValueError:
        described = None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise UserError(f"{path} is not an archive of runs: make one with `scaling-harness runs export SWEEP -o F`")
    if described["schema_version"] != SCHEMA_VERSION:
        raise HarnessError(
            f"{path} is an archive of version {described['schema_version']}, this code reads {SCHEMA_VERSION}: "
            "update this code"
        )
    if hashlib.sha256(body).hexdigest() != described["sha256"]:
        raise _damaged(path)
    listing, *rows = map(json.loads, body.splitlines())
    found = [_run(path, row) for row in rows]
    return Archive(
        sweep_listing.from_document(listing, path, archive_name(path)), {run.record.run_id: run for run in found}
    )


def _run(path: Path, row: dict[str, Any]) -> ArchivedRun:
    return ArchivedRun(records.from_document(path / row["record"]["run_id"], row["record"]), tuple(row["curve"]))


def _decompress(path: Path) -> bytes:
    import pyarrow

    if not path.is_file():
        raise UserError(f"{path} does not exist: name an archive of `scaling-harness runs export`")
    try:
        with pyarrow.input_stream(str(path), compression="zstd") as stream:
            return stream.read()
    except OSError as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> HarnessError:
    return HarnessError(f"{path} is damaged: copy it again, or export it again where the runs are")
