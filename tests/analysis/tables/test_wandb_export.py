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


OWN = [
    {
        "name": f"run {n:g}",
        "config": {"n_params_with_head": n, "n_tokens": 1e8, "train_flops_6nd_with_head": 6e8 * n, "tags": [1, 2]},
        "summary": {"loss": 9.0, "loss_nats": loss, "step": 7, "grad_sq": None, "odd": "it's"},
    }
    for n, loss in ((1e6, 3.0), (2e6, 2.9), (4e6, 2.8))
]


@pytest.mark.parametrize(
    "columns", [None, "N=n_params_with_head,D=n_tokens,C=train_flops_6nd_with_head,loss=loss_nats"]
)
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_own_runs_are_read_from_the_frame_of_the_public_api(tmp_path, form, columns):
    frame, path = pd.DataFrame(OWN), tmp_path / f"runs.{form}"
    if form == "json":
        frame.to_json(path, orient="records")
    else:
        getattr(frame, f"to_{form}")(path)
    runs = load_runs(path, columns=columns)
    np.testing.assert_array_equal(runs.frame[["N", "D", "L"]], [[1e6, 1e8, 3.0], [2e6, 1e8, 2.9], [4e6, 1e8, 2.8]])
    assert list(runs.frame.run) == ["run 1e+06", "run 2e+06", "run 4e+06"]
    assert runs.notes == ()


def test_the_loss_of_the_last_step_is_not_taken_for_the_final_one(tmp_path):
    page = [{"Name": row["name"], "State": "finished"} | row["config"] | row["summary"] for row in OWN]
    pd.DataFrame(page).to_csv(tmp_path / "page.csv", index=False)
    for columns in (None, "N=n_params_with_head,D=n_tokens"):
        assert list(load_runs(tmp_path / "page.csv", columns=columns).frame.L) == [3.0, 2.9, 2.8]
    given = load_runs(tmp_path / "page.csv", columns="N=n_params_with_head,D=n_tokens,loss=loss")
    assert list(given.frame.L) == [9.0] * 3


def test_numbers_that_are_none_are_read_from_printed_mappings(tmp_path):
    rows = [
        {**row, "summary": {**row["summary"], "grad_sq": float("nan"), "worst": [float("inf"), 1.0]}} for row in OWN
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "api.csv")
    assert list(load_runs(tmp_path / "api.csv").frame.L) == [3.0, 2.9, 2.8]


def test_a_summary_holds_results_and_no_settings(tmp_path):
    rows = [
        {**row, "name": f"{row['name']}-{k}", "summary": {**row["summary"], "seen": k}} for row in OWN for k in (0, 1)
    ]
    pd.DataFrame(rows).to_json(tmp_path / "runs.json", orient="records")
    runs = load_runs(tmp_path / "runs.json")
    assert runs.settings == ()
    assert runs.notes == ()
