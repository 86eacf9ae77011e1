"""What the READMEs tell a reader to type, typed in the order in which it stands there.

A ```bash block is a list of commands, run one after another in one working directory. A ```python block whose first
line is `# NAME.py` is a file that the reader writes there; any other is run. A command that cannot be run here is
listed in `NOT_RUN`, or names a placeholder such as SWEEP: it is parsed, and its overrides are composed.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scaling_harness import cli
from scaling_harness.cli._options import parse
from scaling_harness.config.compose import CONF_DIR, compose, run_config
from sweeps.compose import launcher_config

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FOLDERS = [
    path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in ("runs", "data")
]
OTHERS = sorted(path for folder in FOLDERS for path in folder.rglob("README.md"))
NOT_RUN = (
    ({"launcher=slurm"}, "needs SLURM"),
    ({"launcher=ray"}, "needs a Ray cluster"),
    ({"runtime=cuda"}, "needs a GPU"),
    ({"iso"}, "the reader's own sweep, on a cluster"),
    ({"bench"}, "takes minutes to hours, and has tests of its own"),
    ({"reproduce", "standard"}, "takes an hour"),
    ({"reproduce", "quick"}, "takes a quarter of an hour"),
    ({"run", "reproduce-standard"}, "takes an hour"),
    ({"run", "reproduce-quick"}, "takes a quarter of an hour"),
    ({"wandb.mode=offline"}, "starts wandb, which has tests of its own"),
    ({"wandb.mode=online"}, "needs a server"),
    ({"mirror"}, "needs a server"),
    ({"from-wandb"}, "reads what the commands before it write"),
    ({"fit", "runs.jsonl"}, "reads what the command before it writes"),
)
MINI = ["scaling-harness", "reproduce", "--tier", "mini"]


def blocks(readme: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks that a reader types, in their order."""
    return re.findall(r"^```(bash|python)\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def is_run(command: list[str]) -> bool:
    placeholder = any(re.fullmatch(r"[A-Z]{2,}", word) for word in command)
    return not placeholder and not any(words <= set(command) for words, _ in NOT_RUN)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A working directory in which the smallest tier is done."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        typed(folder, MINI, patch)
    return folder


def typed(desk: Path, command: list[str], monkeypatch) -> None:
    """Run a command in this process, with what the console script sees: its arguments, its directory, its path."""
    assert command[0] == "scaling-harness"
    monkeypatch.chdir(desk)
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in ("", str(desk))])
    assert cli.main() == 0, command


def checked(command: list[str]) -> None:
    """Parse a command that is not run, and compose what it says of a run."""
    options = parse(cli.build_parser(), command[1:])
    overrides = [word for word in getattr(options, "overrides", []) if "=" in word]
    sweep = getattr(options, "name", "")
    known = [f"sweep={sweep}"] if (CONF_DIR / "sweep" / f"{sweep}.yaml").exists() else []
    document = compose([*known, *overrides])
    run_config(document)
    launcher_config(document)


def follow(readme: Path, desk: Path, monkeypatch) -> None:
    for language, block in blocks(readme):
        name = re.match(r"# (\w+\.py)\b", block)
        if language == "bash":
            for command in commands(block):
                (typed(desk, command, monkeypatch) if is_run(command) else checked(command))
        elif name:
            (desk / name[1]).write_text(block)
        else:
            monkeypatch.chdir(desk)
            exec(compile(block, str(readme), "exec"), {"__name__": "__main__"})


def test_commands_and_python_of_the_readme(desk, monkeypatch, capsys):
    """The first is the tier that the desk has done: it trains nothing and draws nothing again."""
    assert next(commands(text) for language, text in blocks(README) if language == "bash")[0] == MINI
    store = desk / "runs" / "store"
    before = {path.name for path in store.iterdir()}
    follow(README, desk, monkeypatch)
    out, err = capsys.readouterr()
    assert len({path.name for path in store.iterdir()} - before) <= 2  # the runs of `train`
    assert (desk / "runs" / "reproduce-mini" / "report.html").stat().st_size > 10_000
    assert (desk / "runs" / "reproduce-mini" / "summary.json").exists()
    assert "report.html (unchanged)" in out
    assert "nothing changed since" in err
    assert "alpha" in out
    assert out.count("nats/token") >= 2


@pytest.mark.parametrize("readme", OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_python_of_a_rooms_readme(readme, desk, monkeypatch):
    follow(readme, desk, monkeypatch)


def test_the_console_script_trains_an_architecture_of_ones_own(desk):
    """In a process of its own: what the script can import is not what this process can."""
    texts = [found for readme in (README, *OTHERS) for found in blocks(readme)]
    module = next(text for _, text in texts if text.startswith("# my_model.py"))
    every = [command for language, text in texts if language == "bash" for command in commands(text)]
    command = next(command for command in every if "model.target=my_model:mixer" in command)
    (desk / "my_model.py").write_text(module)
    script = Path(sys.executable).with_name(command[0])
    done = subprocess.run([script, *command[1:]], cwd=desk, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "nats/token" in done.stdout


INLINE = re.compile(r"`((?:model|data|optim|budget|schedule|evaluation|runtime|launcher)(?:\.\w+)*=[^`\n]+)`")
TOLD = sorted({code for readme in (README, *OTHERS) for code in INLINE.findall(readme.read_text())})


@pytest.mark.parametrize("code", [code for code in TOLD if "NAME" not in code and "GLOB" not in code])
def test_every_override_that_a_sentence_shows_is_understood(code):
    document = compose([*(["launcher=slurm"] if code.startswith("launcher.") else []), *shlex.split(code)])
    run_config(document)
    launcher_config(document)


def test_every_folder_named_in_a_table_exists():
    found = re.findall(r"^\| `([\w/]+)/` \|", README.read_text(), re.MULTILINE)
    assert found
    assert [folder for folder in found if not (ROOT / folder).is_dir()] == []
