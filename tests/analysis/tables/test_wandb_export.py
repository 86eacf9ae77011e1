import json

import numpy as np
import pandas as pd
import pytest

from analysis.runs.load import load_runs


def dropped(runs):
    return {row["run"]: row["reason"] for row in runs.dropped}


def test_a_runs_table_of_wandb_keeps_names_and_drops_what_did_not_finish(tmp_path):
    frame = pd.DataFrame(
        {
            "Name": ["big-1", "big-2", "big-3"],
            "State": ["finished", "crashed", "finished"],
            "model.n_params": [1e6, 2e6, 4e6],
            "tokens": [1e8, 1e8, 1e8],
            "valid/loss": [3.0, 9.9, 2.8],
        }
    )
    frame.to_csv(tmp_path / "wandb_export.csv", index=False)
    runs = load_runs(tmp_path / "wandb_export.csv", columns="N=model.n_params,D=tokens,loss=valid/loss")
    assert list(runs.frame.run) == ["big-1", "big-3"]
    assert dropped(runs) == {"big-2": "unfinished: wandb says crashed"}


@pytest.mark.parametrize("as_text", [False, True])
def test_nested_config_and_summary_become_dotted_columns(tmp_path, as_text):
    rows = []
    for n, loss in ((1e6, 3.0), (2e6, 2.9)):
        config = {"model": {"n_params": {"value": n, "desc": None}}, "tokens": 1e8}
        summary = {"valid": {"loss": loss}}
        if as_text:
            config, summary = json.dumps(config), json.dumps(summary)
        rows.append({"name": f"run {n}", "config": config, "summary": summary})
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    runs = load_runs(path, columns="N=config.model.n_params,D=config.tokens,loss=summary.valid.loss")
    np.testing.assert_allclose(runs.frame.N, [1e6, 2e6])
    np.testing.assert_allclose(runs.frame.L, [3.0, 2.9])


def test_columns_of_text_that_is_no_mapping_stay(tmp_path):
    pd.DataFrame({"N": [1.0, 2.0], "D": [1.0, 1.0], "loss": [3.0, 2.0], "tag": ["{x", "y"]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert list(load_runs(tmp_path / "t.csv").frame.tag) == ["{x", "y"]
