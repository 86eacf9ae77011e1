"""Folders and files whose names hold any character that a file system allows."""

import pytest

from scaling_harness.cli import main

STRANGE = "ç = ~ ( , ' \" [x] {y} %20 # & ; $z \\"

SWEEP = """# @package _global_
sweep:
  name: novels
  question: Does it run?
  grids:
    - shapes: [[1, 8], [1, 16]]
      budgets: { n_tokens: [640] }
      seeds: [0]
"""


@pytest.fixture
def place(tmp_path, corpus, monkeypatch):
    """A working directory in a folder of a strange name, with a text of a strange name and a sweep of one's own."""
    here = tmp_path / STRANGE
    (here / "conf, mine" / "sweep").mkdir(parents=True)
    (here / "conf, mine" / "sweep" / "novels.yaml").write_text(SWEEP)
    (here / STRANGE).mkdir()
    (here / STRANGE / "a,b=c.txt").write_text(corpus.read_text())
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def settings(tiny, place):
    """The tiny run with every path a strange one."""
    others = [word for word in tiny if not word.startswith(("data.path", "runtime."))]
    return [*others, f"data.path={place / STRANGE / 'a,b=c.txt'}", f"runtime.data_dir={STRANGE}/tokens, cached"]


def test_a_path_may_hold_any_character(settings, place, capsys):
    runs = f"runs {STRANGE}"
    sweep = ["novels", "--config-dir", "conf, mine", "--runs-dir", runs, *settings]
    assert main(["sweep", "plan", *sweep]) == 0
    assert main(["sweep", "run", *sweep, "runtime.workers=1"]) == 0
    assert main(["sweep", "status", "novels", "--runs-dir", runs]) == 0
    assert main(["train", *settings, f"runtime.runs_dir={place / runs}", "model.d_model=8"]) == 0
    for source in (["novels", "--runs-dir", runs], [f"{runs}/novels"]):
        assert main(["table", *source, "--csv", f"{STRANGE}/t, a.csv"]) == 0
    table = (place / STRANGE / "t, a.csv").read_text()
    assert table.count("\n") == 3
    assert "error" not in capsys.readouterr().err
