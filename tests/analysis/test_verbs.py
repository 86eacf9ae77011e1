"""fit, forecast, compare and public tables on the command line: documents, files, sentences and exit codes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.saved_fit import load_fit
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from scaling_harness.cli import main

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
COLUMNS = ["--columns", "N=N,D=D,loss=L"]


@pytest.fixture
def attempt(capsys, monkeypatch, tmp_path):
    """Run a command in an empty directory; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return code, *capsys.readouterr()

    return run


def write_table(path, seed=0, budgets=5, **columns):
    frame = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, budgets), seed=seed, n_sizes=7)
    frame[["N", "D", "L"]].assign(**columns).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A directory with two tables and a saved fit of each."""
    folder = tmp_path_factory.mktemp("desk")
    for name, seed in (("one", 0), ("two", 1)):
        table = write_table(folder / f"{name}.csv", seed)
        command = ["fit", str(table), *COLUMNS, "--count", "total", "--resamples", "50"]
        assert main([*command, "--out", str(folder / f"{name}.json"), "--json"]) == 0
    return folder


@pytest.fixture
def saved(desk, attempt, monkeypatch):
    monkeypatch.chdir(desk)
    return "one.json", "two.json"


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
    code, out, _ = attempt("fit", small_sweep, "--law", laws, "--resamples", 20, "--approaches")
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


@pytest.fixture
def small_sweep(record, make_sweep):
    frame = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, 4), seeds=1, n_sizes=6)
    return make_sweep([record(f"run{i}", round(r.N), round(r.D), r.L) for i, r in enumerate(frame.itertuples())])


def test_forecasts_are_printed_with_distance_and_intervals(attempt, saved):
    code, out, _ = attempt("forecast", saved[0], "--flops", "1e16", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["train_flops"]["value"] == 1e16
    low, high = found["n_params"]["ci95"]
    assert low < found["n_params"]["value"] < high
    letters = {"N": "n_params", "D": "n_tokens", "C": "train_flops"}
    ranges = load_fit(saved[0]).input_ranges
    beyond = [np.log10(found[letters[x]]["value"] / high) for x, (_, high) in ranges.items()]
    assert found["decades_beyond"] == pytest.approx(max(beyond))
    assert found["decades_beyond"] > 0.5
    costs = {round(row["factor"], 2): row for row in found["cost_of_choice"]["wrong_sizes"]}
    assert set(costs) == {0.33, 0.5, 2, 3}
    assert costs[3]["wasted_compute"]["value"] > costs[2]["wasted_compute"]["value"] > 0
    assert found["cost_of_choice"]["expected_regret"]["wasted_compute"]["value"] > 0
    code, out, _ = attempt("forecast", saved[0], "--flops", "1e16")
    assert "the cost of other sizes" in out
    assert "expected regret of following this fit" in out
    code, out, _ = attempt("forecast", "published:besiroglu2024", "--loss", "2.1")
    assert code == 0
    assert "expected regret" not in out
    assert "train_flops" in out
    assert "no intervals" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("one.json",), 2, "ask one thing"),
        (("one.json", "--flops", "1e18", "--loss", "2"), 2, "ask one thing"),
        (("one.json", "--flops", "-1"), 2, "not a positive number"),
        (("one.json", "--loss", "0.1"), 1, "irreducible loss E"),
        (("nothing.json", "--flops", "1e18"), 2, "cannot read nothing.json"),
        (("published:nobody", "--flops", "1e18"), 2, "published:nobody is not known"),
        (("one.json", "--flops", "many"), 2, "'many' is no budget"),
    ],
)
def test_forecasts_that_cannot_be_made_are_one_sentence(attempt, saved, arguments, code, words):
    found, out, err = attempt("forecast", *arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1


def test_comparisons_name_differences_and_test_a_common_exponent(attempt, saved):
    code, out, _ = attempt("compare", *saved, "published:kaplan2020", "--flops", "1e12", "--json")
    assert code == 0
    found = json.loads(out)
    quantities = {row["quantity"] for row in found["differences"]}
    assert {"a", "b", "alpha", "beta", "ln(C2/C1) at 1e+12 FLOP"} == quantities
    assert any("count (total against non_embedding)" in sentence for sentence in found["warnings"])
    code, out, _ = attempt("compare", *saved, "--common")
    assert code == 0
    assert "common exponents (alpha 0." in out
    assert "not refuted" in out


def test_a_common_exponent_needs_the_runs_as_they_were(attempt, saved, desk):
    before = (desk / "two.csv").read_bytes()
    write_table(desk / "two.csv", seed=5)
    code, _, err = attempt("compare", *saved, "--common")
    (desk / "two.csv").write_bytes(before)
    assert code == 1
    assert "the runs of two.json have changed" in err
    code, _, err = attempt("compare", saved[0], "published:besiroglu2024", "--common")
    assert code == 2
    assert "published constants have no runs" in err


def test_public_tables_are_listed_and_found(attempt, monkeypatch, tmp_path, tiny):
    code, out, _ = attempt("data", "list", *tiny, "--json")
    assert code == 0
    public = {row["data_id"]: row for row in json.loads(out) if row.get("kind") == "public table"}
    assert public["besiroglu2024"]["address"].startswith("https://")
    assert len(public["besiroglu2024"]["sha256"]) == 64
    assert "besiroglu2024" in attempt("data", "list", *tiny)[1]
    monkeypatch.delenv("SCALING_HARNESS_DATA", raising=False)
    code, _, err = attempt("data", "get", "gemstones2025")
    assert code == 1
    assert "put gemstones_hot.jsonl into" in err
    assert attempt("data", "get")[0] == 2
    assert attempt("data", "get", "nothing")[0] == 2


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


def test_budgets_in_petaflop_days_and_constants_of_ones_own(attempt):
    own = ("--params", "kaplan_lc:A=10,alpha=0.05")
    code, out, _ = attempt("forecast", *own, "--flops", "12 PF-days", "--json")
    assert code == 0
    assert json.loads(out)["train_flops"]["value"] == pytest.approx(12 * 8.64e19)
    code, out, _ = attempt("forecast", *own, "--flops", 8.64e20)
    assert "compute in PF-days: 10" in out
    code, out, err = attempt("forecast", "--flops", 1e20)
    assert (code, out) == (2, "")
    assert "name one source" in err
    code, out, _ = attempt("compare", *own, "published:kaplan2020_lc_min", "--flops", "1PFd", "--json")
    assert any(row["quantity"].startswith("ln(C2/C1)") for row in json.loads(out)["differences"])


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


def test_runs_are_forecast_by_several_forms_and_a_fit_by_its_own(attempt, saved):
    code, out, _ = attempt("forecast", "one.csv", *COLUMNS, "--flops", "1e13", "--json")
    found = json.loads(out)
    assert code == 0
    assert set(found["mixture"]["weights"]) == {"chinchilla", "tied", "skaling"}
    assert found["mixture"]["windows"]["windows"] == 3
    assert found["discrepancy"] > 0
    low, high = found["loss_nats"]["ci95"]
    assert low < chinchilla.optimal(TRUTH, 1e13).loss_nats < high
    code, out, _ = attempt("forecast", saved[0], "--flops", "1e13", "--json")
    one = json.loads(out)
    assert one["mixture"] is None
    assert one["discrepancy"] == pytest.approx(found["discrepancy"], rel=1e-6)
    fitted = load_fit(saved[0])
    drawn = np.percentile(fitted.law.optimal(fitted.draws, 1e13).loss_nats, [2.5, 97.5])
    low, high = one["loss_nats"]["ci95"]
    assert low < drawn[0] - 0.01 < drawn[1] + 0.01 < high
    assert attempt("forecast", "one.csv", *COLUMNS, "--flops", "1e13", "--batch", "512")[0] == 2
    code, out, _ = attempt("forecast", "one.csv", *COLUMNS, "--flops", "1e13")
    assert "weights: chinchilla" in out
    assert "of 3 windows" in out


def test_explore_writes_a_page_of_fits_beside_published_laws(attempt, saved, tmp_path):
    assert attempt("explore") == (0, "explorer.html\n", "")
    code, out, _ = attempt("explore", *saved, "--out", tmp_path / "new" / "page.html", "--json")
    assert code == 0
    html = Path(json.loads(out)["html"]).read_text()
    assert '"name": "two.json"' in html
    assert '"name": "published:besiroglu2024"' in html


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("published:kaplan2020_ln",), "L(N) = A/N^alpha does not have one term in N and one in D; leave it out"),
        (("published:gadre2024",), "has exponents alone, and no N_opt for a budget: leave it out"),
        (("absent.json",), "cannot read absent.json"),
        (("--out", "."), "is a folder: name a file to write"),
    ],
)
def test_explore_refuses_what_it_cannot_show_or_write_in_a_sentence(attempt, words, sentence):
    code, _, err = attempt("explore", *words)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_explore_prints_first_that_a_fit_is_not_to_be_used(attempt, desk, tmp_path):
    document = json.loads((desk / "one.json").read_text())
    document |= {"status": "not converged", "warnings": ["not converged: do not use these parameters"]}
    (tmp_path / "bad.json").write_text(json.dumps(document))
    code, out, _ = attempt("explore", "bad.json")
    assert code == 0
    assert out.splitlines() == ["WARNING: bad.json: not converged: do not use these parameters", "explorer.html"]
