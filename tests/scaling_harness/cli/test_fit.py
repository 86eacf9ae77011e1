"""`fit`: documents, files, sentences and exit codes."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.saved_fit import load_fit
from analysis.laws import simulate
from tests.analysis.fake_runs import make_record, write_sweep
from tests.analysis.simulated_table import COLUMNS, TRUTH, write_table


def test_the_document_of_a_fit_has_the_promised_keys(attempt, tmp_path):
    command = ("fit", write_table(tmp_path / "t.csv"), *COLUMNS, "--resamples", 50, "--influence", 2, "--json")
    code, out, _ = attempt(*command)
    document = json.loads(out)
    assert code == 0
    keys = {"law", "n_runs", "dropped", "params", "derived", "objective", "status", "starts", "gradient_norm"}
    assert keys | {"condition", "residual_rms", "holdout", "warnings", "settings"} <= set(document)
    assert set(document["params"]["E"]) >= {"value", "stderr", "ci95"}
    assert {"a", "b", "G"} <= set(document["derived"])
    assert document["holdout"]["skill"] > 0
    assert "C was not given: C = 6 N D" in document["warnings"]
    assert len(document["influence"]["runs"]) == 2


@pytest.fixture
def small_sweep(tmp_path):
    frame = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, 4), seeds=1, n_sizes=6)
    runs = [make_record(f"run{i}", round(run.N), round(run.D), run.L) for i, run in enumerate(frame.itertuples())]
    return write_sweep(tmp_path, runs)


def test_several_laws_and_counts_are_several_fits_and_files(attempt, small_sweep):
    command = ("fit", small_sweep, "--law", "chinchilla,tied", "--count", "total,non_embedding")
    code, out, err = attempt(*command, "--resamples", 20, "--out", "f.json", "--json")
    assert code == 0
    assert [(d["law"], d["settings"]["count"]) for d in json.loads(out)] == [
        ("chinchilla", "total"),
        ("chinchilla", "non_embedding"),
        ("tied", "total"),
        ("tied", "non_embedding"),
    ]
    rankings = [d["ranking"]["table"] for d in json.loads(out) if "ranking" in d]
    assert [{row["law"] for row in table} for table in rankings] == [{"chinchilla", "tied"}] * 2
    assert rankings[0][0]["windows"] == 2
    assert load_fit("f-tied-total.json").law_name == "tied"
    assert err.count("saved: ") == 4
    laws = "kaplan_lc,chinchilla,tied"
    code, out, _ = attempt("fit", small_sweep, "--law", laws, "--count", "total", "--resamples", 20, "--approaches")
    assert code == 0
    shown = out[out.index("approach ") : out.index("the approaches agree")]
    assert "\ntied " in shown
    assert "kaplan_lc" not in shown
    assert "b is 1 - a by construction" in shown
    ranked = out[out.index("best first") :]
    assert ranked.index("chinchilla") < ranked.index("kaplan_lc")
    assert "2 corrected" in out
    assert "the approaches agree" in out
    code, _, err = attempt("fit", small_sweep, "--delta", 0)
    assert code == 2
    assert "delta is 0.0" in err
    code, _, err = attempt("fit", small_sweep, "--count", "all")
    assert code == 2
    assert "count 'all' is not one of" in err
    code, out, _ = attempt("compare", "f-chinchilla-total.json", "f-chinchilla-non_embedding.json", "--json")
    assert code == 0
    found = json.loads(out)
    assert {row["pairing"] for row in found["differences"]} == {"paired"}
    assert any("differ in count (total against non_embedding)" in sentence for sentence in found["warnings"])


def test_a_local_copy_is_found_and_fitted(attempt, published_dir):
    code, out, _ = attempt("data", "get", "besiroglu2024", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert row["how"] == "found in $SCALING_HARNESS_DATA"
    command = ("fit", row["path"], "--columns", row["columns"], "--drop-worst", 5, "--resamples", 20, "--json")
    code, out, _ = attempt(*command)
    document = json.loads(out)
    assert document["objective"] == pytest.approx(0.0010182740178, rel=1e-7)
    assert document["n_runs"] == 240
    assert len(document["dropped"]) == 5


def test_the_effect_of_the_objective_is_a_table_of_a_fit(attempt, published_dir):
    """By squares on L: the numbers of Czech et al.'s separable least squares (2026)."""
    path = published_dir / "hoffmann_fig4_besiroglu.csv"
    command = ("fit", path, "--columns", "N=Model Size,C=Training FLOP,loss=loss", "--drop-worst", 5)
    code, out, _ = attempt(*command, "--resamples", 20, "--objectives", "--json")
    assert code == 0
    document = json.loads(out)
    assert 0 < document["holdout"]["coverage"]["mixture"]["mean_abs_rel_error"] < 0.02
    rows = {row["objective"]: row for row in document["objectives"]}
    assert rows["log_huber"]["E"] == pytest.approx(document["params"]["E"]["value"])
    assert rows["raw_squares"]["alpha"] == pytest.approx(0.3577, abs=1e-3)
    assert rows["raw_squares"]["a"] == pytest.approx(0.5445, abs=1e-3)
    code, out, _ = attempt(*command, "--resamples", 20, "--objectives")
    assert code == 0
    assert "chinchilla: the same runs under every objective" in out
    assert out.count("log_squares") == 1


BAD_TABLES = {
    "collinear": ({"D": lambda f: 20 * f.N}, 1, "collinear in logs"),
    "one level": ({"N": 1e6}, 1, "all runs have the same N"),
    "negative loss": ({"L": lambda f: f.L.where(f.index > 3, -1.0)}, 0, "L is -1.0, not a positive number"),
    "no loss": ({"L": lambda f: f.L.where(f.index > 3)}, 0, "column 'L' has no number for the loss"),
    "repeated": ({"U": lambda f: f.D.where(f.index > 3, f.D / 2)}, 0, "2 epochs: the law is for tokens seen once"),
    "in millions": ({"N": lambda f: f.N / 1e6}, 0, "millions"),
    "one loss": ({"L": 2.0, "N": lambda f: f.N * (1 + f.index / 1e3)}, 1, "all runs have the same loss, 2"),
    "no numbers": ({"L": "many"}, 1, "column 'L' holds 'many', which is no number for the loss"),
    "no slope": ({"L": lambda f: 9 - f.L}, 0, "alpha stopped at its lower bound, 0"),
    "no floor": ({"L": lambda f: (f.L - 1.0999) ** 1.2}, 0, "E runs to zero"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_named_in_a_warning_or_a_sentence(attempt, tmp_path, case):
    columns, code, words = BAD_TABLES[case]
    table = write_table(tmp_path / "t.csv", budgets=4, **columns)
    found, out, err = attempt(
        "fit", table, *COLUMNS[:1], COLUMNS[1] + (",U=U" if "U" in columns else ""), "--resamples", 20
    )
    assert found == code
    assert words in out + err
    assert (out == "") == (code != 0)


def test_three_inputs_of_which_two_are_free_name_the_sums_they_identify(attempt, tmp_path):
    table = write_table(tmp_path / "t.csv")
    code, out, err = attempt("fit", table, *COLUMNS, "--law", "loglinear")
    assert (code, out) == (1, "")
    assert err.startswith("failed: N, C, D are collinear in logs")
    assert "only this is identified: alpha + beta = 0." in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("columns", "options", "code", "words"),
    [
        ({"w": -1.0}, ("--weights", "w"), 2, "column 'w' has weights that are not positive numbers"),
        ({"w": "heavy"}, ("--weights", "w"), 2, "column 'w' has weights that are not positive numbers"),
        ({"t": None}, ("--clusters", "t"), 2, "rows have no cluster in column 't'"),
        ({"t": 1}, ("--clusters", "t"), 1, "all runs are one cluster by column 't'"),
        ({"S": "x"}, ("--law", "kaplan_ln_s"), 2, "the table has no column S"),
        ({}, ("--resamples", 1), 2, "resamples is 1"),
        ({}, ("--influence", -2), 2, "--influence is -2"),
        ({}, ("--columns", "N=N,N=D,loss=L"), 2, "--columns names N twice"),
    ],
)
def test_choices_that_cannot_be_made_are_one_sentence(attempt, tmp_path, columns, options, code, words):
    table = write_table(tmp_path / "t.csv", **columns)
    found, out, err = attempt("fit", table, *COLUMNS, "--resamples", 20, *options)
    assert (found, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1


def test_too_few_rows_and_rows_given_twice(attempt, tmp_path):
    path = write_table(tmp_path / "t.csv")
    frame = pd.read_csv(path)
    frame.head(4).to_csv(path, index=False)
    code, _, err = attempt("fit", path, *COLUMNS)
    assert code == 1
    assert "4 runs cannot fix the 5 parameters" in err
    pd.concat([frame, frame.head(2)]).to_csv(path, index=False)
    code, _, err = attempt("fit", path, *COLUMNS, "--resamples", 20)
    assert code == 0
    assert "left out: row 106, row 107: the same run is in the table twice" in err


def test_parameters_are_held_and_tied_from_the_command_line(attempt, tmp_path):
    table = write_table(tmp_path / "t.csv", budgets=4)
    code, out, _ = attempt("fit", table, *COLUMNS, "--fix", "E=1.1", "--tie", "alpha=beta", "--resamples", 0, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["params"]["E"]["value"] == 1.1
    assert set(found["params"]) == {"E", "A", "B", "alpha"}
    assert found["settings"]["fixed"] == {"E": 1.1}
    assert attempt("fit", table, *COLUMNS, "--fix", "gamma=1")[0] == 2
    assert attempt("fit", table, *COLUMNS, "--tie", "alpha")[0] == 2
