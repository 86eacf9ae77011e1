import numpy as np
import pandas as pd
import pytest

from analysis.runs.curves import load_curve
from analysis.runs.from_records import recipe as recipe_of
from analysis.runs.from_tables import parse_columns
from analysis.runs.load import load_runs, read_all
from analysis.runs.selection import Selection
from scaling_harness.errors import HarnessError, UserError


def reasons(runs):
    return {row["run"]: row["reason"] for row in runs.dropped}


def test_a_sweep_gives_one_tidy_row_a_run(make_sweep, record):
    runs = load_runs(make_sweep([record("a", 1000, 51200, 3.0), record("b", 2000, 51200, 2.8)]))
    assert list(runs.frame.run_id) == ["a", "b"]
    first = runs.frame.iloc[0]
    assert (first.N, first.D, first.C, first.L) == (1000, 51200, 6.0 * 1000 * 51200, 3.0)
    assert (first.n_params_total, first.loss_nats_code, first.wall_s) == (2000, 4.0, 2.0)
    assert runs.dropped == ()


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


def test_a_half_written_record_is_dropped_with_its_reason(make_sweep, record, tmp_path):
    sweep = make_sweep([record("a", 1000, 51200, 3.0), record("torn", 2000, 51200, 3.0)])
    (tmp_path / "store" / "torn" / "record.json").write_text('{"schema_version": 1, ')
    runs = load_runs(sweep)
    assert list(runs.frame.run_id) == ["a"]
    assert "not JSON" in reasons(runs)["torn"]


def test_mixed_recipes_are_refused_naming_the_fields(make_sweep, record):
    other = record("b", 2000, 51200, 2.8)
    other.config["optim"]["beta2"] = 0.999
    sweep = make_sweep([record("a", 1000, 51200, 3.0), other])
    with pytest.raises(UserError, match=r"mixes 2 recipes.*optim.beta2 \(0.95, 0.999\)"):
        load_runs(sweep)
    assert len(load_runs(sweep, Selection(keep_recipes=True))) == 2


def test_shape_seed_and_length_do_not_change_the_recipe(make_sweep, record):
    other = record("b", 2000, 512000, 2.8, seed=5)
    other.config["model"]["n_layer"] = 7
    assert len(load_runs(make_sweep([record("a", 1000, 51200, 3.0), other]))) == 2


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


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_tables_are_read_with_named_columns(tmp_path, suffix):
    frame = pd.DataFrame({"Model Size": [1e8, 2e8], "Training FLOP": [6e18, 6e18], "loss": [3.0, 2.9]})
    path = tmp_path / f"table.{suffix}"
    {"csv": frame.to_csv, "parquet": frame.to_parquet}.get(
        suffix, lambda p: frame.to_json(p, orient="records", lines=True)
    )(path)
    runs = load_runs(path, columns="N=Model Size,C=Training FLOP,loss=loss")
    np.testing.assert_allclose(runs.frame.D, [1e10, 5e9])
    assert runs.notes == ("D was not given: D = C / 6N",)
    assert runs.count is None


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


def test_bad_tables_are_refused_in_a_sentence(tmp_path):
    path = table(tmp_path, n=[1.0], l=[2.0])
    with pytest.raises(UserError, match=r"no column 'x'; it has 'n', 'l'"):
        load_runs(path, columns="N=x,loss=l")
    with pytest.raises(UserError, match="no loss"):
        load_runs(path)
    with pytest.raises(UserError, match="does not exist"):
        load_runs(tmp_path / "none.csv")
    with pytest.raises(UserError, match="not a table this reads"):
        load_runs(tmp_path / "none.xlsx")
    (tmp_path / "latin.csv").write_bytes("N,L\n1,3\n\xe9,4\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        load_runs(tmp_path / "latin.csv")
    (tmp_path / "empty.csv").write_text("N,L\n")
    with pytest.raises(UserError, match="no rows"):
        load_runs(tmp_path / "empty.csv")


def test_columns_are_parsed_or_refused():
    assert parse_columns("N=Model Size, loss=x") == {"N": "Model Size", "L": "x"}
    with pytest.raises(UserError, match="letter=column"):
        parse_columns("N")


def test_curve_of_a_run_is_a_table(make_sweep, record):
    curve = [{"step": 1, "tokens": 512, "loss": 5.0}, {"step": 2, "tokens": 1024, "loss": 4.0, "valid_loss": 4.1}]
    runs = load_runs(make_sweep([record("a", 1000, 51200, 3.0)], {"a": curve}))
    read = load_curve(runs.frame.iloc[0])
    assert list(read.tokens) == [512, 1024]
    assert read.valid_loss.isna().tolist() == [True, False]


def test_a_factor_brings_a_column_to_the_units_and_is_noted(tmp_path):
    path = table(tmp_path, size=[100.0, 200.0], D=[1e9, 1e9], bits=[3.0, 2.9])
    runs = load_runs(path, columns="N=size*1e6,D=D,loss=bits*0.6931472")
    np.testing.assert_allclose(runs.frame.N, [1e8, 2e8])
    np.testing.assert_allclose(runs.frame.L, np.log(2) * np.array([3.0, 2.9]), rtol=1e-6)
    assert "N = 1e+06 * size" in runs.notes
    assert "L = 0.693147 * bits" in runs.notes


def test_a_column_with_a_star_in_its_name_is_that_column(tmp_path):
    path = table(tmp_path, **{"N*2": [5.0, 6.0], "D": [9.0, 9.0], "L": [3.0, 2.0]})
    assert list(load_runs(path, columns="N=N*2,D=D,loss=L").frame.N) == [5.0, 6.0]


def test_tokens_beyond_the_unique_ones_are_dropped_unless_the_law_knows_repetition(tmp_path):
    path = table(tmp_path, N=[1e6, 2e6, 3e6], D=[1e8, 4e8, 1e8], U=[1e8, 1e8, 2e8], L=[3.0, 2.9, 2.8])
    runs = load_runs(path)
    assert reasons(runs) == {"row 2": "4 epochs: the law is for tokens seen once"}
    assert len(load_runs(path, Selection(keep_repeats=True))) == 3


def test_a_column_of_text_called_c_is_not_the_compute(tmp_path):
    frame = pd.DataFrame({"N": [1e5, 2e5], "D": [1e7, 2e7], "C": ["gpu", "tpu"], "L": [3.0, 2.9]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    runs = load_runs(tmp_path / "t.csv")
    assert runs.dropped == ()
    assert runs.frame.C.tolist() == [6e12, 2.4e13]
    assert any("C holds no number" in note for note in runs.notes)


def test_a_rule_for_the_batch_is_one_recipe_whatever_it_gives(record):
    def recipe(batch, **more):
        config = record("x", 10**5, 10**6, 3.0).config
        return recipe_of(config | {"budget": {"batch_tokens": batch, "n_steps": 9, **more}})

    assert recipe(128, batch_rule={"rule": "r"}) == recipe(256, batch_rule={"rule": "r", "horizon": 1e6})
    assert recipe(128, batch_rule={"rule": "r"}) != recipe(128, batch_rule={"rule": "s"})
    assert recipe(128) != recipe(256)
