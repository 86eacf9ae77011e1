"""A journey with wandb, offline: train, look at what it was given, and fit what it gives back."""

import json

from scaling_harness.cli import main


def fitted(capsys, *source):
    capsys.readouterr()
    assert main(["fit", *source, "--law", "kaplan_ld", "--resamples", "0", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    return document["n_runs"], {name: estimate["value"] for name, estimate in document["params"].items()}


def test_what_wandb_was_given_is_fitted_as_the_records_are(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for n_tokens in (320, 640, 1280):
        assert main(["train", *tiny, f"budget.n_tokens={n_tokens}", "wandb.mode=offline", "wandb.tags=[mine]"]) == 0
    assert main(["runs", "from-wandb", "runs/wandb", "-o", "runs.jsonl"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert sorted(row["summary"]["n_tokens"] for row in rows) == [320, 640, 1280]
    assert all(row["config"]["learning_rate"] > 0 and row["summary"]["loss_nats"] > 0 for row in rows)
    assert fitted(capsys, "runs.jsonl") == fitted(capsys, "runs/store")
