"""`NAME.runs.zst`: the listing, records and thinned curves of a sweep in one small file.

Zstandard-compressed JSON lines, readable with `zstdcat`: a header with format, version and checksum of the rest; the
listing without the settings of the machine it was planned on; one line for each finished run. A listed run without a
line has not finished. The same runs give the same bytes.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record import sweep_listing
from scaling_harness.record.atomic_files import read_jsonl, write_atomically
from scaling_harness.record.record import RunRecord, record_from_document
from scaling_harness.record.store import Store
from scaling_harness.record.sweep_listing import SweepListing, listing_from_document, listing_to_document, read_listing

FORMAT = "scaling-harness runs"
SCHEMA_VERSION = 1
SUFFIX = ".runs.zst"
PREFIX = "archive:"
POSITIONS, MOST_POSITIONS = "valid_by_position", 6
COMMITTED = Path(__file__).resolve().parents[2] / "sweeps" / "archive"
"""Folder of the archives that come with the code: `archive:NAME` is `COMMITTED/NAME.runs.zst`."""

MIN_EVALUATIONS = 5
"""A curve with fewer evaluations is kept whole, because approach 1 then smooths its training losses; but not that of a
branch, which is read after its trunk's."""
GRID_BITS = 3
"""Training steps with at most this many significant bits are kept: 1 to 8, then 4 in every octave."""

_LEVEL = 19
Curve = tuple[Mapping[str, Any], ...]
"""Rows of one `metrics.jsonl`."""


@dataclass(frozen=True)
class ArchivedRun:
    """A finished run."""

    record: RunRecord
    curve: Curve
    """Thinned: see `thin`."""


@dataclass(frozen=True)
class Archive:
    """A sweep as it was planned, and its finished runs by run_id in the order of the listing."""

    listing: SweepListing
    runs: Mapping[str, ArchivedRun]


def locate(path: Path | str) -> Path:
    """Turn a name that the user gave into a path: `archive:NAME` is a committed archive, anything else a path.

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
        names = sorted(each.name.removesuffix(SUFFIX) for each in COMMITTED.glob(f"*{SUFFIX}"))
        raise UserError(f"there is no archive {name!r}; there are: {', '.join(names) or 'none'}")
    return file


def is_archive(path: Path) -> bool:
    """Whether a path has the suffix of an archive."""
    return path.name.endswith(SUFFIX)


def archive_name(path: Path) -> str:
    """File name of an archive without its suffix."""
    return path.name.removesuffix(SUFFIX)


def thin(curve: Sequence[Mapping[str, Any]]) -> Curve:
    """Keep all evaluations and gradient measurements, the last training step, and steps on a grid common to all runs.

    Of losses by position, six evaluations are kept, to a tenth of a nat.

    The rows that approach 1 and the gradient noise scale read are all kept, so that their numbers do not change.
    Thinning twice gives the same curve as thinning once.
    """
    from_the_start = any(row["step"] == 1 for row in curve)
    if from_the_start and sum("valid_loss" in row for row in curve) < MIN_EVALUATIONS:
        return _with_few_positions(curve)
    last = max((row["step"] for row in curve), default=0)
    return _with_few_positions(
        [row for row in curve if row["step"] == last or _is_measurement(row) or _is_on_grid(row["step"])]
    )


def _with_few_positions(curve: Sequence[Mapping[str, Any]]) -> Curve:
    """Losses by position, hundreds of numbers each, at six evaluations and to a tenth: one is uncertain by more."""
    at = [i for i, row in enumerate(curve) if POSITIONS in row]
    kept = {at[k * (len(at) - 1) // (MOST_POSITIONS - 1)] for k in range(MOST_POSITIONS)} if at else set()
    rows = [dict(row) for row in curve]
    for i in at:
        losses = rows[i].pop(POSITIONS)
        if i in kept:
            rows[i][POSITIONS] = [round(loss, 1) for loss in losses]
    return tuple(rows)


def _is_measurement(row: Mapping[str, Any]) -> bool:
    return "valid_loss" in row or "grad_sq" in row


def _is_on_grid(step: int) -> bool:
    dropped_bits = max(0, step.bit_length() - GRID_BITS)
    return step % (1 << dropped_bits) == 0


def export_sweep(sweep_dir: Path) -> Archive:
    """Collect the finished runs of a sweep from its store.

    Raises
    ------
    UserError
        There is no such sweep.
    HarnessError
        Its listing, a record or a curve is damaged.
    """
    listing = dataclasses.replace(read_listing(sweep_dir), launch=None, schema_version=sweep_listing.SCHEMA_VERSION)
    store = Store(sweep_dir.parent)
    finished = [run.run_id for run in listing.runs if store.is_finished(run.run_id)]
    return Archive(listing, {run_id: ArchivedRun(store.read(run_id), read_curve(store, run_id)) for run_id in finished})


def read_curve(store: Store, run_id: str) -> Curve:
    """Read the thinned curve of a run from a store."""
    return thin(read_jsonl(store.metrics_path(run_id)))


def write_archive(path: Path, archive: Archive) -> None:
    """Write an archive atomically."""
    import pyarrow

    lines = [listing_to_document(archive.listing)]
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
        Path of a `NAME.runs.zst`.

    Returns
    -------
    Archive

    Raises
    ------
    UserError
        There is no such file, or it is not an archive.
    HarnessError
        The archive is damaged, or of a newer version.
    """
    header, _, body = _decompress(path).partition(b"\n")
    try:
        description = json.loads(header)
    except ValueError:
        description = None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise UserError(f"{path} is not an archive of runs: make one with `scaling-harness runs export SWEEP -o F`")
    if description["schema_version"] != SCHEMA_VERSION:
        raise HarnessError(
            f"{path} is an archive of version {description['schema_version']}, this code reads {SCHEMA_VERSION}: "
            "update this code"
        )
    if hashlib.sha256(body).hexdigest() != description["sha256"]:
        raise _damaged(path)
    listing, *rows = map(json.loads, body.splitlines())
    runs = [_run(path, row) for row in rows]
    return Archive(listing_from_document(listing, path, archive_name(path)), {run.record.run_id: run for run in runs})


def _run(path: Path, row: dict[str, Any]) -> ArchivedRun:
    return ArchivedRun(record_from_document(path / row["record"]["run_id"], row["record"]), tuple(row["curve"]))


def _decompress(path: Path) -> bytes:
    import pyarrow

    if not path.is_file():
        raise UserError(f"{path} does not exist: name an archive that `scaling-harness runs export` wrote")
    try:
        with pyarrow.input_stream(str(path), compression="zstd") as stream:
            return stream.read()
    except OSError as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> HarnessError:
    return HarnessError(f"{path} is damaged: copy it again, or export it again where the runs are")
