"""The command line as a whole: its table of verbs, exit codes, sentences, and the three ways to start it."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scaling_harness.cli import VERBS, bench, data, main, sweep

ACTIONS = {"bench": bench.ACTIONS, "data": data.ACTIONS, "sweep": sweep.ACTIONS}
COMMANDS = [
    words
    for verb in VERBS
    for words in ([(verb,)] if verb not in ACTIONS else [(verb,), *((verb, action) for action in ACTIONS[verb])])
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_that_begins_with_its_line(words, call, capsys):
    table = VERBS if len(words) == 1 else ACTIONS[words[0]]
    assert call(*words, "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"usage: scaling-harness {' '.join(words)} ")
    assert importlib.import_module(table[words[-1]]).HELP in said


def test_the_version_names_the_code_that_decides_numbers(call, capsys):
    assert call("--version") == 0
    assert re.fullmatch(r"scaling-harness [\d.]+, code rooms-\w+, torch [\w.+]+\n", capsys.readouterr().out)


def test_the_options_of_every_command_import_nothing_heavy():
    code = "import sys; from scaling_harness.cli import build_parser; build_parser(); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for module in ("torch", "numpy", "hydra", "pandas", "rich", "pydantic", "wandb", "scipy", "analysis", "sweeps"):
        assert f"'{module}'" not in loaded


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("trian",),
        ("sweep",),
        ("sweep", "plan"),
        ("sweep", "plan", "no-such-sweep"),
        ("train", "model.d_modle=3"),
        ("train", "budget.n_tokens=-1"),
        ("train", "sweep=reproduce-mini"),
        ("sweep", "plan", "reproduce-mini", "sweep.name=../../x"),
        ("sweep", "plan", "reproduce-mini", "sweep.name=store"),
        ("table", "no-such-runs"),
        ("sweep", "status", "never-started"),
    ],
)
def test_bad_arguments_are_a_sentence_and_exit_code_2(arguments, call, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "foreign"),
    [
        ("data prepare", "--to=published"),
        ("data get besiroglu2024", "--config-dir=conf"),
        ("sweep plan iso", "--mix-versions"),
        ("sweep run iso", "--json"),
        ("sweep run iso", "--failed"),
        ("sweep status iso", "--tuned=iso"),
        ("sweep status iso", "runtime.runs_dir=elsewhere"),
        ("sweep logs iso", "--watch"),
        ("sweep logs iso", "runtime.runs_dir=elsewhere"),
        ("sweep retry iso", "--config-dir=conf"),
        ("sweep cancel iso", "model.d_model=64"),
        ("sweep extend iso", "--mix-versions"),
        ("sweep mirror iso", "--again"),
        ("sweep probe iso", "--mode=online"),
        ("bench fit", "--sweeps=3"),
        ("bench fit", "--drop-worst=5"),
        ("bench coverage", "--table=F"),
        ("bench sweep", "--scenarios=hoffmann"),
        ("bench train", "--trials=3"),
        ("bench train", "--runs-dir=runs"),
        ("bench law", "--seconds=3"),
        ("train", "--json"),
        ("table iso", "runtime.runs_dir=elsewhere"),
        ("report iso", "--csv=F"),
        ("tune iso --over optim.lr", "--tuned=iso"),
        ("reproduce", "--json"),
    ],
)
def test_an_option_that_an_action_does_not_read_is_refused(command, foreign, call, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*command.split(), foreign) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert foreign.partition("=")[0] in err
    assert err.count("\n") == 1
    if foreign.startswith("runtime.runs_dir"):
        assert "--runs-dir" in err


def test_the_module_and_the_hydra_application_answer(tmp_path):
    def start(*command: str):
        return subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=tmp_path
        )

    assert "reproduce" in start("scaling_harness", "--help").stdout
    job = start("scaling_harness.train", "--cfg", "job", "model.d_model=64")
    assert "d_model: 64" in job.stdout
    assert start("scaling_harness.train", "model.d_modle=64").returncode == 2


MY_MODEL = """
from scaling_harness.models.architecture import Architecture


def small(config, vocab_size):
    def build():
        from torch import nn

        layers = nn.Embedding(vocab_size, config.d_model), nn.Linear(config.d_model, vocab_size, bias=False)
        return nn.Sequential(*layers)

    params = {"embedding": vocab_size * config.d_model, "head": config.d_model * vocab_size}
    return Architecture(params, 6.0 * params["head"], build)
"""


MINE = """
# @package _global_
sweep:
  name: mine
  question: Does it work?
  grids: [{shapes: [[1, 8], [1, 16]], budgets: {n_tokens: [640]}, seeds: [0]}]
"""


def test_the_working_directory_is_imported_from_last(tiny, tmp_path):
    """So that nothing there hides a package, and commands and their workers find an architecture of one's own."""
    (tmp_path / "my_model.py").write_text(MY_MODEL)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "mine.yaml").write_text(MINE)
    for name in ("analysis", "sweeps", "numpy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("this is broken")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def start(*command: object) -> str:
        words = list(map(str, command))
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    own = [*tiny, "model.target=my_model:small", "runtime.workers=1", "--config-dir=."]
    start(Path(sys.executable).with_name("scaling-harness"), "sweep", "run", "mine", *own)
    assert len(json.loads(start(sys.executable, "-m", "scaling_harness", "table", "mine", "--json"))) == 2


def test_called_in_process_the_path_of_imports_stays(capsys):
    before = list(sys.path)
    with pytest.raises(SystemExit):
        main(["--help"])
    assert sys.path == before
