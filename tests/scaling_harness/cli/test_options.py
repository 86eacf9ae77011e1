"""Options that several verbs share, and what is composed of them."""

from pathlib import Path

import pytest

from scaling_harness.cli import build_parser
from scaling_harness.cli._options import composed, find_runs, parse
from scaling_harness.config.compose import compose
from scaling_harness.errors import UserError


def parsed(*arguments: str):
    return parse(build_parser(), arguments)


@pytest.mark.parametrize("path", ["/some/where-else", "with space", "it's", "a\\", "ç = ~ ( ,"])
def test_where_runs_go_is_part_of_what_is_composed(path):
    args = parsed("sweep", "run", "iso", "seed=4", "--runs-dir", path)
    document = composed(args)
    assert document["runtime"]["runs_dir"] == path
    assert document["seed"] == 4


def test_runs_are_looked_for_where_they_go_unless_told():
    looked_for = str(parsed("sweep", "status", "iso").runs_dir)
    for runtime in ("cpu", "cuda"):
        assert compose([f"runtime={runtime}"])["runtime"]["runs_dir"] == looked_for
    assert parsed("table", "iso", "--runs-dir=there").runs_dir == Path("there")


def test_the_override_still_says_where_runs_go_but_not_beside_the_option():
    override = "runtime.runs_dir=there"
    assert composed(parsed("train", override))["runtime"]["runs_dir"] == "there"
    with pytest.raises(UserError, match="one setting"):
        composed(parsed("train", override, "--runs-dir=here"))


def test_overrides_and_names_stand_before_and_after_options():
    args = parsed("sweep", "run", "iso", "seed=1", "--mix-versions", "seed=2", "--tuned", "other", "seed=3")
    assert (args.overrides, args.mix_versions, args.tuned) == (["seed=1", "seed=2", "seed=3"], True, "other")
    assert parsed("sweep", "logs", "iso", "--json", "s100").names == ["s100"]
    assert parsed("data", "get", "one", "--to=there", "two").names == ["one", "two"]


def test_a_sweep_comes_before_a_folder_of_texts_that_is_called_like_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("novels", "runs/novels"):
        (tmp_path / folder).mkdir(parents=True)
    assert find_runs("novels", Path("runs")) == Path("novels")
    (tmp_path / "runs" / "novels" / "sweep.json").write_text("{}")
    assert find_runs("novels", Path("runs")) == Path("runs/novels")
    assert "novels is the sweep runs/novels; write ./novels for what has that name here" in capsys.readouterr().err
    assert find_runs("./novels", Path("runs")) == Path("novels")
    monkeypatch.chdir(tmp_path / "runs")
    assert find_runs("novels", tmp_path / "runs") == tmp_path / "runs" / "novels"
    assert capsys.readouterr().err == ""
