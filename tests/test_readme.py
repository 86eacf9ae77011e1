"""What the README tells a newcomer to type, typed: its commands, its Python, its own architecture."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
HARNESS = [sys.executable, "-m", "scaling_harness"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("desk")


def call(desk: Path, *command: str) -> str:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(desk), *sys.path])}
    done = subprocess.run(command, cwd=desk, env=env, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_commands_and_python_of_the_first_minute(desk):
    commands = [line.partition("#")[0].strip() for line in blocks("bash")[0].splitlines()]
    assert commands[0] == "scaling-harness reproduce --tier mini"
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "scaling-harness"
        call(desk, *HARNESS, *arguments)
    assert (desk / "runs" / "reproduce-mini" / "report.html").stat().st_size > 10_000
    assert (desk / "runs" / "reproduce-mini" / "summary.json").exists()
    assert "alpha" in call(desk, sys.executable, "-c", blocks("python")[0])


def test_an_architecture_of_ones_own(desk):
    (desk / "my_model.py").write_text(blocks("python")[1])
    (command,) = blocks("bash")[1].strip().splitlines()
    assert "nats/token" in call(desk, *HARNESS, *shlex.split(command)[1:])


def test_every_module_named_in_the_folder_table_exists():
    root = Path(__file__).parent.parent
    for folder in re.findall(r"^\| `(\w+)/` \|", README, re.MULTILINE):
        assert (root / folder).is_dir()
