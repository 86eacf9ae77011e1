"""Verbs that read tables of other people: what they ask, say and give."""

import dataclasses
import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest

from analysis.fitting import fit as fitting

COLUMNS = "N=size,D=tokens,loss=final"


@pytest.fixture
def table(tmp_path):
    """Two widths, three rates, two seeds at each of three horizons."""
    rows = [
        {
            "size": f"{n:g}M",
            "width": width,
            "tokens": d,
            "train.lr": lr,
            "seed": seed,
            "final": 1.5 + n**-0.3 + (d / 1e8) ** -0.3 + 0.02 * np.log(lr / 0.01) ** 2 + 0.0001 * seed,
        }
        for (n, width), d, lr, seed in itertools.product(
            ((1, 64), (4, 128), (16, 256)), (1e8, 4e8, 16e8), (0.003, 0.01, 0.03), (1, 2)
        )
    ]
    path = tmp_path / "t.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_fit_says_what_it_took_and_offers_the_best_setting(call, table, capsys):
    assert call("fit", table, "--columns", COLUMNS, "--resamples", 20) == 0
    out = capsys.readouterr().out
    assert "columns:    N = size, D = tokens, L = final" in out
    assert "rows of one N and D differ in train.lr (0.003, 0.01, 0.03)" in out
    assert call("fit", table, "--columns", COLUMNS, "--resamples", 20, "--best-of", "loss", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["n_runs"] == 18
    assert len(document["dropped"]) == 36
    assert document["settings"]["taken"] == {"N": "size", "D": "tokens", "L": "final"}
    assert any("36 of the runs given left out: another setting" in sentence for sentence in document["warnings"])


def test_approaches_say_which_budgets_they_left_out_and_why(call, table, capsys):
    command = ("fit", table, "--columns", COLUMNS, "--best-of", "loss", "--resamples", 20, "--approaches")
    assert call(*command, "--json") == 0
    found = json.loads(capsys.readouterr().out)["approaches"]
    assert {"approach", "what", "reason"} == set(found["excluded"][0])
    assert any("no run has a training curve" in row["warning"] for row in found["warnings"])
    assert call(*command) == 0
    out = capsys.readouterr().out
    assert "left out by approach 2: budget" in out
    assert "sizes, at least 4 are needed" in out


def test_rule_and_transfer_take_tables(call, table, capsys):
    assert call("rule", table, "--columns", f"{COLUMNS},lr=train.lr", "--json") == 0
    optima = json.loads(capsys.readouterr().out)["optima"]
    assert len(optima) == 9
    assert all(o["best"]["lr"]["value"] == pytest.approx(0.01, rel=0.05) for o in optima)
    assert call("transfer", table, "--columns", f"{COLUMNS},lr=train.lr,d_model=width", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 6


@pytest.mark.parametrize(
    ("verb", "columns", "sentence"),
    [
        ("rule", COLUMNS, "neither lr nor batch_tokens: name them with --columns lr="),
        ("rule", f"{COLUMNS},lr=size,batch_tokens=width,seed=final", ""),
        ("transfer", COLUMNS, "name them with --columns d_model=...,lr=..."),
        ("report", "loss=final", "no column N, D, C: name it with --columns"),
        ("fit", "loss=final", "name it with --columns"),
        ("table", "loss=nothing", "no column 'nothing'"),
    ],
)
def test_what_is_missing_is_asked_for_with_an_option_that_the_verb_has(call, table, capsys, verb, columns, sentence):
    code = call(verb, table, "--columns", columns)
    err = capsys.readouterr().err
    assert code == (2 if sentence else 0)
    assert sentence in err
    call(verb, "--help")
    assert "--columns" in capsys.readouterr().out


@pytest.fixture
def stuck(monkeypatch):
    """A solver that never certifies an optimum."""

    def fit_point(*args, **options):
        point = solve(*args, **options)
        return dataclasses.replace(point, certificate=dataclasses.replace(point.certificate, converged=False))

    solve = fitting.fit_point
    monkeypatch.setattr(fitting, "fit_point", fit_point)


def test_a_fit_that_did_not_converge_exits_1_and_warns_before_each_number_from_it(call, stuck, tmp_path, capsys):
    sizes, tokens = [1e5, 2e5, 4e5, 8e5], [1e7, 2e7, 4e7, 8e7]
    rows = [{"N": n, "D": d, "loss": 1.9 + 420 / n**0.345 + 1900 / d**0.36} for n in sizes for d in tokens]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    assert call("fit", tmp_path / "t.csv", "--resamples", 20, "--out", tmp_path / "f.json") == 1
    assert call("fit", tmp_path / "t.csv", "--resamples", 20, "--json") == 1
    for verb in (
        ("forecast", tmp_path / "f.json", "--flops", "1e14"),
        ("compare", tmp_path / "f.json", "published:besiroglu2024"),
    ):
        capsys.readouterr()
        assert call(*verb) == 0
        assert re.match(r"WARNING: .*not converged: do not use these parameters\n", capsys.readouterr().out)
