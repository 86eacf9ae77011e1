import json

import pytest

from scaling_harness.cli import main

LIKE = ["--like", "archive:reproduce-quick"]


@pytest.fixture
def design(capsys):
    def call(*arguments):
        code = main(["sweep", "design", *LIKE, *arguments])
        return code, capsys.readouterr()

    return call


def test_a_wave_is_designed_written_and_planned(design, capsys, tmp_path):
    arguments = ["--flops", "5e11", "--target", "a", "--sizes", "4", "--seeds", "3"]
    code, said = design(*arguments, "--write", "wave", "--config-dir", str(tmp_path), "--tolerance", "0.01", "--json")
    assert code == 0
    found = json.loads(said.out)
    totals = {name: each["expected"]["total"] for name, each in found["expected"].items()}
    assert totals["this design"] == min(totals.values()) < totals["the runs so far"]
    assert found["sweep_file"] == str(tmp_path / "sweep" / "wave.yaml")
    assert main(["sweep", "plan", "wave", "--config-dir", str(tmp_path), "--without-text", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    new = [run for run in plan["runs"] if run["seed"] > 922]
    assert len(new) == sum(cell["added"] for cell in found["cells"]) == len(plan["runs"]) - 40
    assert sum(run["train_flops"] for run in new) == pytest.approx(found["train_flops"], rel=0.01)


def test_runs_that_meet_the_tolerance_need_no_wave(design):
    code, said = design("--flops", "1e12", "--target", "N_opt@1e13", "--tolerance", "0.5")
    assert (code, said.out.count("stop, no further run is needed")) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--flops", "1e9"], "1e+09 FLOP are too few for a design"),
        (["--flops", "1e12", "--sizes", "3"], "a budget needs 4 sizes or more"),
        (["--flops", "1e12", "--band", "1"], "give one above 1"),
        (["--flops", "1e12", "--seeds", "0"], "give 1 or more"),
        (["--flops", "-1"], "give a budget above 0"),
        (["--flops", "1e12", "--tolerance", "0"], "give a half-width above 0"),
        (["--flops", "1e12", "--target", "beta"], "'beta' is no target"),
        (["--flops", "1e12", "--min-tokens", "1e7"], "no budget has 4 sizes within these limits"),
    ],
)
def test_what_gives_no_design_is_a_sentence(design, arguments, words):
    code, said = design("--target", "a", "--alone", *arguments)
    assert code == 2
    assert words in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1


def test_bench_waves_refuses_no_waves(capsys):
    assert main(["bench", "waves", *LIKE, "--flops", "1e12", "--waves", "0"]) == 2
    assert "give 1 or more" in capsys.readouterr().err
