"""`plan`: what it prints, the command and the sweep file that it gives, and its refusals."""

import json
import re
import shlex

import pytest

from analysis.fitting.result import UNUSABLE
from analysis.fitting.saved_fit import load_fit
from scaling_harness.config.compose import compose, run_config

ARCHIVE = "archive:reproduce-mini"
C = 4e9


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    from scaling_harness.cli import main

    path = tmp_path_factory.mktemp("plan") / "fit.json"
    assert main(["fit", ARCHIVE, "--resamples", "20", "--out", str(path), "--json"]) == 0
    return path


@pytest.fixture
def one_law(saved, monkeypatch):
    """A fit whose loss is forecast by its law alone: the mixture of forms takes seconds, and most tests have no use."""
    from analysis.forecasting import next_run

    monkeypatch.setattr(next_run, "mixture_of", lambda _: (None, "not asked for"))
    return saved


def test_a_plan_says_the_run_the_loss_the_cost_of_error_and_other_laws(one_law, call, capsys):
    assert call("plan", "--flops", C, one_law, "--inference-tokens", 1e6, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    low, high = found["loss_nats"]["ci95"]
    assert low < found["loss_nats"]["value"] < high
    assert found["times_beyond"] == pytest.approx(C / load_fit(one_law).input_ranges["C"][1])
    assert [law["law"] for law in found["laws"]][:3] == ["kaplan2020", "hoffmann2022", "besiroglu2024"]
    run, best = found["run"], found["by"]["n_params"]["value"]
    assert run["n_params"]["with_head"] == pytest.approx(best, rel=0.1)
    assert 6 * run["n_params"]["with_head"] * run["n_tokens"] == pytest.approx(C, rel=0.01)
    config = run_config(compose(run["overrides"]))
    assert (config.model.n_layer, config.model.d_model) == (run["n_layer"], run["d_model"])
    assert (config.model.n_ctx, run["batch_tokens"], config.budget.n_tokens) == (32, 256, run["n_tokens"])
    assert found["inference"]["n_params"]["value"] < best
    assert run["for_use"]["n_tokens"] > run["n_tokens"]


def test_the_same_as_a_table_with_the_command_to_paste(one_law, call, capsys):
    assert call("plan", one_law, "--flops", C, "--inference-tokens", 1e6) == 0
    out = capsys.readouterr().out
    assert "1.66 times the largest compute of the runs" in out
    costs = re.findall(r"^(?:0\.5|2) .* (\S+)%$", out, re.MULTILINE)
    assert len(costs) == 2
    assert "Sardana et al. 2023" in out
    assert "its C is C_min" in out
    commands = [shlex.split(line) for line in out.splitlines() if line.startswith("scaling-harness train")]
    assert len(commands) == 2
    assert run_config(compose(commands[0][2:])).model.n_ctx == 32
    assert "the loss is not of several forms: not asked for" in out


def test_the_rung_is_a_sweep_that_can_be_planned(one_law, call, capsys, tmp_path, tiny):
    text = [word for word in tiny if word.startswith(("data", "runtime"))]
    folder = tmp_path / "my-conf"
    command = ("plan", one_law, "--flops", C, "--write", "rung", "--config-dir", folder, *text)
    assert call(*command, "data.max_epochs=20") == 0
    assert f"sweep plan rung --config-dir {folder}" in capsys.readouterr().out
    assert call("sweep", "plan", "rung", "--config-dir", folder, "--json", *text[-2:]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert len(plan["runs"]) == 5
    assert "4e+09 FLOP" in plan["question"]
    assert "# Answer: not trained yet" in (folder / "sweep" / "rung.yaml").read_text()
    assert call(*command, "data.max_epochs=20") == 2
    assert "rung.yaml exists" in capsys.readouterr().err


def test_a_rung_that_cannot_be_trained_is_not_written(one_law, call, capsys, tmp_path, tiny):
    text = [word for word in tiny if word.startswith(("data", "runtime"))]
    assert call("plan", one_law, "--flops", C, "--write", "rung", f"--config-dir={tmp_path / 'c'}", *text) == 2
    assert "is not written: the run needs" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_without_a_fit_the_ratio_decides(call, capsys):
    assert call("plan", "--flops", 1e22, "--ratio", 20, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_params"] == pytest.approx(9.128709e9, rel=1e-6)
    assert found["n_tokens"] == pytest.approx(1.825742e11, rel=1e-6)
    assert found["run"]["n_params"]["with_head"] == pytest.approx(9.13e9, rel=0.02)
    assert call("plan", "--flops", "4e22", "--ratio", 20) == 0
    out = capsys.readouterr().out
    assert "1.8257e+10  3.6515e+11  20" in out
    assert "found at N of 1e4 to 1e5" in out


def test_a_fit_that_did_not_converge_begins_with_a_warning(one_law, call, capsys, tmp_path):
    document = json.loads(one_law.read_text())
    document |= {"warnings": [UNUSABLE], "status": "not converged"}
    (tmp_path / "bad.json").write_text(json.dumps(document))
    assert call("plan", tmp_path / "bad.json", "--flops", 1e20) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("WARNING: ")
    assert UNUSABLE in lines[0]
    assert lines[1].startswith("WARNING: the budget is 4.14e+10 times the largest compute of the runs of ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a fit and one of --flops and --loss"),
        (("fit.json",), "name a fit and one of --flops and --loss"),
        (("fit.json", "--flops", "1e9", "--loss", "2"), "name a fit and one of"),
        (("--flops", "1e22", "--ratio", "20", "--loss", "2"), "--ratio takes a budget and no fit"),
        (("--flops", "1e22", "--ratio", "-1"), "the ratio is -1: give a positive number"),
        ((ARCHIVE, "--flops", "1e9"), "is no saved fit: make one of runs with `scaling-harness fit archive"),
        (("published:kaplan2020_lc", "--flops", "1e20"), "a law in C alone"),
        (("fit.json", "--flops", "1e9"), "cannot read fit.json"),
        (("--flops", "1e30", "--ratio", "20", "--layers", "1"), "give other --layers"),
        (("published:besiroglu2024", "model.d_model=64", "--flops", "1e9"), "model.d_model=64: the plan chooses"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(arguments, words, call, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("plan", *arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
