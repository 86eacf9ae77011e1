import dataclasses
import hashlib
import json

import pyarrow
import pytest

from scaling_harness.config.compose import CONF_DIR
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record import archive as archives
from scaling_harness.record.archive import (
    COMMITTED,
    POSITIONS,
    SUFFIX,
    archive_name,
    export_sweep,
    locate,
    read_archive,
    thin,
    write_archive,
)
from scaling_harness.record.record import read_record


@pytest.fixture
def file(sweep, tmp_path):
    path = tmp_path / f"mine{SUFFIX}"
    write_archive(path, export_sweep(sweep))
    return path


def decompressed(path):
    with pyarrow.input_stream(str(path), compression="zstd") as stream:
        return stream.read()


def write_compressed(path, content):
    path.write_bytes(pyarrow.Codec("zstd").compress(content, asbytes=True))


def test_records_and_listing_come_back_exactly(file, sweep, listing):
    read = read_archive(file)
    assert read == export_sweep(sweep)
    assert read.listing == dataclasses.replace(listing, launch=None)
    assert list(read.runs) == ["b", "a"]  # in the order of the listing; c has not finished
    for run_id, run in read.runs.items():
        assert run.record == read_record(sweep.parent / "store" / run_id)
    assert read.runs["a"].record.reason == "out of memory"


def test_the_same_runs_give_the_same_bytes_and_nothing_of_the_machine(file, sweep, tmp_path):
    again = tmp_path / f"again{SUFFIX}"
    write_archive(again, read_archive(file))
    assert again.read_bytes() == file.read_bytes()
    assert b"secret" not in decompressed(file)


def test_thinning_keeps_measurements_and_the_last_step(curve):
    whole = curve(n_steps=1000, n_evaluations=20)
    kept = thin(whole)
    measured = [row for row in whole if "loss" not in row]
    assert [row for row in kept if "loss" not in row] == measured
    assert [row["step"] for row in kept if "loss" in row][:12] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16]
    assert [row["step"] for row in kept if "loss" in row][-5:] == [512, 640, 768, 896, 1000]
    assert thin(kept) == kept


def test_losses_by_position_are_kept_at_six_evaluations(curve):
    whole = [
        {**row, POSITIONS: [2.345, row["valid_loss"]]} if "valid_loss" in row else row
        for row in curve(n_evaluations=20)
    ]
    kept = thin(whole)
    measured = [row[POSITIONS] for row in whole if POSITIONS in row]
    assert [row[POSITIONS] for row in kept if POSITIONS in row] == [
        [2.3, round(measured[i][1], 1)] for i in (0, 3, 7, 11, 15, 19)
    ]
    assert sum("valid_loss" in row for row in kept) == 20
    assert thin(kept) == kept


def test_a_curve_of_few_evaluations_stays_whole(curve):
    whole = curve(n_evaluations=archives.MIN_EVALUATIONS - 1)
    assert thin(whole) == tuple(whole)


def test_a_torn_line_of_a_curve_is_left_out(sweep):
    path = sweep.parent / "store" / "b" / "metrics.jsonl"
    before = export_sweep(sweep)
    path.write_text(path.read_text() + '{"step": 10')
    assert export_sweep(sweep) == before


def test_a_damaged_file_is_refused(file):
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HarnessError, match="is damaged: copy it again"):
        read_archive(file)
    file.write_bytes(whole)
    write_compressed(file, decompressed(file).replace(b"2.512345678901234", b"2.512345678901235"))
    with pytest.raises(HarnessError, match="is damaged: copy it again"):
        read_archive(file)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / f"other{SUFFIX}"
    write_compressed(path, b'{"some": "json"}\n')
    with pytest.raises(UserError, match="is not an archive of runs"):
        read_archive(path)
    with pytest.raises(UserError, match="does not exist"):
        read_archive(tmp_path / f"nowhere{SUFFIX}")


def test_a_newer_version_is_refused(file):
    header, _, body = decompressed(file).partition(b"\n")
    newer = json.dumps({**json.loads(header), "schema_version": 2}).encode()
    write_compressed(file, newer + b"\n" + body)
    with pytest.raises(HarnessError, match="an archive of version 2, this code reads 1: update"):
        read_archive(file)


def test_an_archive_of_the_first_version_is_read(tmp_path):
    """The bytes that a reader of the first version must always understand, by hand."""
    listing = {"schema_version": 3, "name": "old", "jobs": [{"job_id": "j", "runs": [{"run_id": "r"}]}]}
    body = json.dumps(listing).encode() + b"\n"
    header = {"format": "scaling-harness runs", "schema_version": 1, "sha256": hashlib.sha256(body).hexdigest()}
    path = tmp_path / f"old{SUFFIX}"
    write_compressed(path, json.dumps(header).encode() + b"\n" + body)
    read = read_archive(path)
    assert (read.listing.name, read.runs) == ("old", {})


def test_an_unknown_name_lists_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "COMMITTED", tmp_path)
    with pytest.raises(UserError, match="no archive 'x'; there are: none"):
        locate("archive:x")
    for name in ("two", "one"):
        (tmp_path / f"{name}{SUFFIX}").touch()
    with pytest.raises(UserError, match="no archive 'x'; there are: one, two"):
        locate("archive:x")
    assert locate("archive:one") == tmp_path / f"one{SUFFIX}"
    assert locate("runs/mine").parts == ("runs", "mine")


@pytest.mark.parametrize("file", sorted(COMMITTED.glob("*")), ids=archive_name)
def test_every_committed_archive_is_a_whole_sweep_of_conf(file):
    read = read_archive(file)
    assert read.listing.name == archive_name(file)
    files = [path.relative_to(CONF_DIR / "sweep").with_suffix("") for path in (CONF_DIR / "sweep").rglob("*.yaml")]
    assert archive_name(file) in {"-".join(path.parts) for path in files}
    assert set(read.runs) == {run.run_id for run in read.listing.runs}
    assert {run.record.status for run in read.runs.values()} == {"completed"}
    assert file.stat().st_size < 6000 * len(read.runs)
