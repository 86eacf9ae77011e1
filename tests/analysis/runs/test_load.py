import pandas as pd
import pytest

from analysis.runs.load import load_runs, read_all
from scaling_harness.errors import HarnessError, UserError


def test_a_sweep_gives_one_tidy_row_a_run(make_sweep, record):
    runs = load_runs(make_sweep([record("a", 1000, 51200, 3.0), record("b", 2000, 51200, 2.8)]))
    assert list(runs.frame.run_id) == ["a", "b"]
    first = runs.frame.iloc[0]
    assert (first.N, first.D, first.C, first.L) == (1000, 51200, 6.0 * 1000 * 51200, 3.0)
    assert (first.n_params_total, first.loss_nats_code, first.wall_s) == (2000, 4.0, 2.0)
    assert runs.dropped == ()


def test_all_records_are_shown_whatever_their_status(make_sweep, record):
    sweep = make_sweep([record("a", 1000, 51200, 3.0), record("b", 1, 512, 9.0, status="failed", reason="killed")])
    assert list(read_all(sweep).status) == ["completed", "failed"]


def test_a_directory_of_records_without_a_sweep_is_read(make_sweep, record, tmp_path):
    make_sweep([record("a", 1000, 51200, 3.0)])
    assert len(load_runs(tmp_path / "store")) == 1


def test_a_directory_without_records_and_a_sweep_without_runs_are_refused(tmp_path, make_sweep):
    with pytest.raises(UserError, match="run a sweep first"):
        load_runs(tmp_path)
    with pytest.raises(HarnessError, match=r"no run of .* has finished: not finished"):
        load_runs(make_sweep([], unfinished=["a"]))


def table(tmp_path, **columns):
    path = tmp_path / "t.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path
