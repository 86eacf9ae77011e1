"""An archive is read as the folders it was made of, to the digit."""

import numpy as np
import pandas as pd
import pytest

from analysis.comparing.paired_runs import read_records
from analysis.runs import curves
from analysis.runs.curves import load_curve
from analysis.runs.load import load_runs, read_all
from analysis.runs.selection import Selection
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record import archive as archives
from scaling_harness.record.archive import SUFFIX, export_sweep, write_archive


def archived(sweep, path):
    write_archive(path, export_sweep(sweep))
    return path


@pytest.fixture
def sweep(make_sweep, record):
    """Two completed runs with training steps between their evaluations, one failed, one not finished."""
    records = [record("one", 10**5, 512 * 400, 2.5), record("two", 2 * 10**5, 512 * 400, 2.25, seed=1)]
    records.append(record("bad", 10**5, 512 * 400, 2.0, status="failed", reason="out of memory"))
    return make_sweep(records, {made.run_id: curve(made.run_id) for made in records}, unfinished=["later"])


def curve(run_id):
    rows = []
    for step in range(1, 401):
        loss = 2.0 + len(run_id) / step
        rows.append({"step": step, "tokens": 512 * step, "flops": 1e6 * step, "loss": loss, "lr": 0.01})
        if step % 20 == 0:
            rows.append({"step": step, "tokens": 512 * step, "flops": 1e6 * step, "valid_loss": loss + 0.01})
        if step % 50 == 0:
            rows.append({"step": step, "tokens": 512 * step, "flops": 1e6 * step, "grad_sq": 0.1, "grad_trace": 2.0})
    return rows


def test_runs_and_what_was_left_out_are_those_of_the_folders(sweep, tmp_path):
    file = archived(sweep, tmp_path / f"mine{SUFFIX}")
    whole, read = (load_runs(path, Selection(keep_recipes=True)) for path in (sweep, file))
    pd.testing.assert_frame_equal(read.frame.drop(columns="curve_path"), whole.frame.drop(columns="curve_path"))
    assert read.dropped == whole.dropped
    assert {row["reason"] for row in read.dropped} == {"not finished", "failed: out of memory"}
    assert len(read_all(file)) == 3
    assert read_records(file) == read_records(sweep)


def test_the_losses_of_approach_1_and_the_noise_of_gradients_stay_whole(sweep, tmp_path):
    runs = load_runs(archived(sweep, tmp_path / f"mine{SUFFIX}"))
    for (_, folder), (_, file) in zip(load_runs(sweep).frame.iterrows(), runs.frame.iterrows(), strict=True):
        whole, thinned = load_curve(folder), load_curve(file)
        assert len(thinned) < len(whole) / 5
        for one, other in zip(curves.curve_points(thinned), curves.curve_points(whole), strict=True):
            np.testing.assert_array_equal(one, other)
        measured = [each.dropna(subset=["grad_sq"]).reset_index(drop=True) for each in (thinned, whole)]
        pd.testing.assert_frame_equal(*measured)


def test_a_curve_that_approach_1_smooths_is_never_thinned():
    assert archives.MIN_EVALUATIONS >= curves.MIN_POINTS


def test_a_file_that_was_written_again_is_read_again(make_sweep, record, tmp_path):
    file = archived(make_sweep([record("one", 10**5, 10**6, 2.5)]), tmp_path / f"mine{SUFFIX}")
    assert list(read_all(file).run_id) == ["one"]
    archive = export_sweep(tmp_path / "sweep")
    write_archive(file, archives.Archive(archive.listing, {}))
    with pytest.raises(HarnessError, match=r"no run of .* has finished"):
        load_runs(file)


def test_a_missing_or_damaged_archive_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_runs(tmp_path / f"nowhere{SUFFIX}")
    with pytest.raises(UserError, match="there is no archive 'nowhere'"):
        load_runs("archive:nowhere")
    (tmp_path / f"torn{SUFFIX}").write_bytes(b"torn")
    with pytest.raises(HarnessError, match="is damaged"):
        load_runs(tmp_path / f"torn{SUFFIX}")
