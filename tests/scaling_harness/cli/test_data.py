"""`data prepare` and `data list`, of texts and of public tables."""

import json

import numpy as np
import pytest

from scaling_harness.record.corpus_statistics import read_statistics


def test_data_is_prepared_once_and_listed(tiny, call, capsys):
    assert call("data", "prepare", *tiny, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["vocab_size"] == 256
    assert call("data", "list", *tiny, "--json") == 0
    assert row["data_id"] in {listed["data_id"] for listed in json.loads(capsys.readouterr().out)}


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


def test_statistics_predict_the_exponent_or_say_why_not(attempt, tmp_path):
    out = tmp_path / "grammar.json"
    code, said, _ = attempt("data", "statistics", "data=grammar", "--out", str(out))
    assert code == 0
    assert "alpha_D = gamma / 2 beta = " in said
    assert read_statistics(out).entropy_rate == pytest.approx(np.log(4), abs=1e-5)
    few = ("--tokens", "2000", "--context", "32", "--longest", "3", "--json")
    code, said, _ = attempt("data", "statistics", "data=walk", "data.n_nodes=24", "data.n_edges=60", *few)
    assert code == 0
    assert "no power law" in json.loads(said)["prediction"]
    assert attempt("data", "statistics", "data=grammar", "--longest", "0")[0] == 2
