import numpy as np
import pandas as pd
import pytest

from analysis.runs.from_tables import parse_columns
from analysis.runs.load import load_runs
from scaling_harness.errors import UserError


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


def test_a_column_of_text_called_c_is_not_the_compute(tmp_path):
    frame = pd.DataFrame({"N": [1e5, 2e5], "D": [1e7, 2e7], "C": ["gpu", "tpu"], "L": [3.0, 2.9]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    runs = load_runs(tmp_path / "t.csv")
    assert runs.dropped == ()
    assert runs.frame.C.tolist() == [6e12, 2.4e13]
    assert any("C holds no number" in note for note in runs.notes)
