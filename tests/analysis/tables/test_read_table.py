"""The faults that people met in their own tables, each with the right value."""

import itertools
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells, seed_noise
from analysis.runs.selection import Selection
from analysis.tables.read_table import parse_columns
from scaling_harness.errors import UserError

LAW = {"E": 1.9, "A": 420.0, "B": 1900.0, "alpha": 0.345, "beta": 0.36}
SIZES = {"44M": 44e6, "117M": 117e6, "425M": 425e6, "1.016B": 1.016e9}
TOKENS = {"1.5B": 1.5e9, "6B": 6e9, "30B": 30e9}


def loss(n, d):
    return LAW["E"] + LAW["A"] / n ** LAW["alpha"] + LAW["B"] / d ** LAW["beta"]


def grid(**columns):
    rows = [(n, d, loss(SIZES[n], TOKENS[d])) for n, d in itertools.product(SIZES, TOKENS)]
    return pd.DataFrame(rows, columns=["params", "tokens", "loss"]).assign(**columns)


def load(tmp_path, frame, columns="N=params,D=tokens,loss=loss", best_of=None):
    frame.to_csv(tmp_path / "t.csv", index=False)
    return load_runs(tmp_path / "t.csv", Selection(best_of=best_of), columns=columns)


def fitted(runs):
    return fit("chinchilla", runs, resamples=0).values


@pytest.fixture(scope="module")
def given():
    root = Path(os.environ.get("SCALING_HARNESS_DATA", "/nowhere")) / "tables"
    if not root.is_dir():
        pytest.skip("SCALING_HARNESS_DATA does not name a directory with tables/*.csv")
    return root


EXACT = {"E": 1.9, "A": 420.0, "B": 1900.0, "alpha": 0.345, "beta": 0.36}


@pytest.mark.parametrize(
    ("name", "columns", "n_runs", "values"),
    [
        (
            "c01_isoflops.json",
            "N=parameters,C=compute_budget,loss=final_loss",
            72,
            {"E": 2.69, "A": 1606.4, "B": 3210.7, "alpha": 0.34, "beta": 0.36},
        ),
        ("c03_hero_N.csv", "N=n,D=tokens,loss=loss", 11, {"alpha": 0.478, "beta": 0.414}),
        ("c05_suffix.csv", "N=params,D=tokens,loss=loss", 12, EXACT),
        ("c05_mixed.csv", "N=params,D=tokens,loss=loss", 12, EXACT),
        ("c08_seeds.csv", "N=params,D=tokens,loss=loss", 36, {"E": 1.89985, "alpha": 0.34511, "beta": 0.35963}),
        ("c18_thousands.csv", None, 12, EXACT),
        ("c18_semi.csv", None, 12, EXACT),
        ("c23_layers.csv", None, 12, EXACT),
    ],
)
def test_given_tables_give_their_law(given, name, columns, n_runs, values):
    runs = load_runs(given / name, columns=columns)
    assert len(runs) == n_runs
    found = fitted(runs)
    digits = 1e-3 if "03" in name else 5e-5
    assert {key: found[key] for key in values} == pytest.approx(values, rel=digits)


def test_the_best_of_three_rates_is_fitted_when_asked(given):
    columns = "N=weight_params,D=tokens,loss=val_bpc*0.6931471805599453"
    every = load_runs(given / "c09_runs.jsonl", columns=columns)
    assert any("train.lr (0.0001, 0.001, 0.01): these are settings and no seeds" in note for note in every.notes)
    assert seed_noise(design_cells(every.frame)) is None
    best = fit(
        "chinchilla", load_runs(given / "c09_runs.jsonl", Selection(best_of="loss"), columns=columns), resamples=0
    )
    assert best.values["alpha"] == pytest.approx(0.294, abs=5e-4)
    assert best.values["beta"] == pytest.approx(0.342, abs=5e-4)
    assert best.derived["a"].value == pytest.approx(0.538, abs=5e-4)


def test_the_optimum_of_an_array_of_objects(given):
    runs = load_runs(given / "c01_isoflops.json", columns="N=parameters,C=compute_budget,loss=final_loss")
    best = fit("chinchilla", runs, resamples=0).optimal(1e23)
    assert float(np.ravel(best.n_params)[0]) == pytest.approx(9.189e10, rel=1e-3)


def test_seeds_in_a_table_give_the_noise_they_have(given):
    noise = seed_noise(design_cells(load_runs(given / "c08_seeds.csv", columns="N=params,D=tokens,loss=loss").frame))
    assert noise.sd == pytest.approx(0.00084, abs=5e-6)


def test_suffixes_give_the_law(tmp_path):
    runs = load(tmp_path, grid())
    assert fitted(runs) == pytest.approx(LAW, rel=1e-6)
    assert runs.columns == {"N": "params", "D": "tokens", "L": "loss"}


OURS = ["run_id", "fingerprint", "recipe", "science", "status", "epochs", "job_id", "trunk", "curve_path", "reason"]
OURS += ["setting_id", "n_params_total", "train_flops_matmul", "n_tokens", "loss_nats", "wall_s", "seed", "data_id"]


@pytest.mark.parametrize("value", [7, "mine"])
@pytest.mark.parametrize("name", OURS)
def test_columns_called_as_ours_are_no_records(tmp_path, name, value):
    runs = load(tmp_path, grid(**{name: value}))
    assert len(runs) == 12
    np.testing.assert_array_equal(runs.frame.L, grid().loss)


def test_states_seeds_and_copies(tmp_path):
    frame = pd.concat([grid(State="done", seed=s, Name=f"r{s}") for s in (1, 2)], ignore_index=True)
    frame.loc[0, "State"] = "OUT_OF_MEMORY"
    frame = pd.concat([frame, frame.iloc[[5]]], ignore_index=True)
    runs = load(tmp_path, frame)
    assert [row["reason"] for row in runs.dropped] == [
        "the same run is in the table twice",
        "unfinished: wandb says OUT_OF_MEMORY",
    ]
    assert [row["run"] for row in runs.dropped] == ["r1 (row 25)", "r1 (row 1)"]
    assert design_cells(runs.frame).n_seeds.tolist().count(2) == 11


def test_a_differing_name_or_seed_is_no_copy(tmp_path):
    for name in ("Name", "ID", "config.seed"):
        twice = pd.concat([grid(**{name: 1}), grid(**{name: 2})], ignore_index=True)
        assert len(load(tmp_path, twice)) == 24


def test_a_column_called_run_is_kept_for_clusters(tmp_path):
    noise = 0.01 * np.random.default_rng(0).standard_normal(12)
    runs = load(tmp_path, grid(run=np.repeat(["a", "b", "c", "d"], 3), loss=grid().loss + noise))
    assert runs.frame["run"].nunique() == 4
    assert runs.checkpoints == "run"
    assert "`fit --clusters run`" in runs.notes[-1]
    single = fit("chinchilla", runs, resample="sandwich").params["E"].stderr
    clustered = fit("chinchilla", runs, clusters="run", resample="sandwich").params["E"].stderr
    assert single != clustered


def test_n_follows_from_c_and_d(tmp_path):
    frame = pd.DataFrame({"C": [6e17, 6e18], "D": [1e9, 1e9], "loss": [3.0, 2.5]})
    runs = load(tmp_path, frame, None)
    assert runs.frame.N.tolist() == [1e8, 1e9]
    assert "N was not given: N = C / 6D" in runs.notes


def test_every_cell_that_is_no_number_is_shown(tmp_path):
    frame = grid()
    frame.loc[2, "tokens"] = "many"
    runs = load(tmp_path, frame)
    assert runs.dropped == ({"run": "row 3", "reason": "column 'tokens' holds 'many', which is no number for D"},)


def test_best_of_where_nothing_differs_says_so(tmp_path):
    assert any("changes nothing" in note for note in load(tmp_path, grid(), best_of="loss").notes)


def test_a_chart_of_wandb_is_read_as_rows(tmp_path):
    frame = pd.DataFrame({"Step": [1, 2], "a - eval/loss": [3.0, 2.5], "b - eval/loss": [2.9, np.nan]})
    frame = frame.assign(**{"a - eval/loss__MIN": 0.0, "a - eval/loss__MAX": 9.0, "N": 1e6})
    runs = load(tmp_path, frame, "N=N,D=Step*512,loss=eval/loss")
    assert runs.frame[["run", "D", "L"]].to_numpy().tolist() == [["a", 512, 3.0], ["a", 1024, 2.5], ["b", 512, 2.9]]
    assert any("a chart of 2 runs, read as 3 rows" in note for note in runs.notes)


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
