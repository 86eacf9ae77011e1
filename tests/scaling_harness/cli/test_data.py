"""`data prepare` and `data list`, of texts and of public tables."""

import json


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
