import numpy as np
import pandas as pd
import pytest

from analysis.runs.load import load_runs
from analysis.runs.selection import Selection
from scaling_harness.errors import UserError


def reasons(runs):
    return {row["run"]: row["reason"] for row in runs.dropped}


@pytest.mark.parametrize(("count", "n"), [("non_embedding", 500), ("with_head", 1000), ("total", 2000)])
def test_count_chooses_n_and_with_it_c(make_sweep, record, count, n):
    runs = load_runs(make_sweep([record("a", 1000, 51200, 3.0)]), Selection(count))
    assert runs.frame.N.item() == n
    assert runs.frame.C.item() == 6.0 * n * 51200
    assert runs.with_count("total").frame.N.item() == 2000


def test_every_run_left_out_carries_its_reason(make_sweep, record):
    records = [
        record("good", 1000, 51200, 3.0),
        record("diverged", 1000, 51200, 9.0, status="diverged", reason="loss 9 at step 3"),
        record("zero", 1000, 61440, 0.0),
        record("again", 1000, 71680, 3.0, epochs=2.5),
        record("twin", 1000, 51200, 3.0, fingerprint="good"),
    ]
    runs = load_runs(make_sweep(records, unfinished=["missing"]))
    assert list(runs.frame.run_id) == ["good"]
    assert reasons(runs) == {
        "missing": "not finished",
        "diverged": "diverged: loss 9 at step 3",
        "zero": "L is 0.0, not a positive number",
        "again": "2.5 epochs: the law is for tokens seen once",
        "twin": "the same run is in the table twice",
    }


def test_mixed_recipes_are_refused_naming_the_fields(make_sweep, record):
    other = record("b", 2000, 51200, 2.8)
    other.config["optim"]["beta2"] = 0.999
    sweep = make_sweep([record("a", 1000, 51200, 3.0), other])
    with pytest.raises(UserError, match=r"mixes 2 recipes.*optim.beta2 \(0.95, 0.999\)"):
        load_runs(sweep)
    assert len(load_runs(sweep, Selection(keep_recipes=True))) == 2


def table(tmp_path, **columns):
    path = tmp_path / "t.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_bad_rows_of_a_table_are_dropped_by_number(tmp_path):
    path = table(tmp_path, N=[1, 2, 3, 3], D=[9, 9, 9, 9], L=[3.0, -1.0, np.nan, 2.0])
    runs = load_runs(path)
    assert set(reasons(runs)) == {"row 2", "row 3"}


def test_identical_rows_are_one_run(tmp_path):
    runs = load_runs(table(tmp_path, N=[1, 1, 2], D=[9, 9, 9], L=[3.0, 3.0, 2.0]))
    assert reasons(runs) == {"row 2": "the same run is in the table twice"}


def test_the_worst_rows_are_dropped_when_asked_and_named(tmp_path):
    runs = load_runs(table(tmp_path, N=[1, 2, 3], D=[9, 9, 9], L=[3.0, 5.0, 4.0]), Selection(drop_worst=2))
    assert list(runs.frame.L) == [3.0]
    assert set(reasons(runs)) == {"row 2", "row 3"}


def test_tokens_beyond_the_unique_ones_are_dropped_unless_the_law_knows_repetition(tmp_path):
    path = table(tmp_path, N=[1e6, 2e6, 3e6], D=[1e8, 4e8, 1e8], U=[1e8, 1e8, 2e8], L=[3.0, 2.9, 2.8])
    runs = load_runs(path)
    assert reasons(runs) == {"row 2": "4 epochs: the law is for tokens seen once"}
    assert len(load_runs(path, Selection(keep_repeats=True))) == 3
