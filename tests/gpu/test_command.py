"""`make test-gpu` where it cannot run says why."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

COMMAND = Path(__file__).parents[2] / ".ci" / "test_gpu.py"


def call(*options, environment=None):
    command = [sys.executable, str(COMMAND), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    return done.returncode, done.stderr


def test_without_a_gpu_it_says_so_in_a_sentence():
    code, said = call(environment={"CUDA_VISIBLE_DEVICES": ""})
    assert code == 2
    assert "finds no CUDA device here; run this on a machine with an NVIDIA GPU" in said
    assert "Traceback" not in said


def test_what_is_missing_is_named_with_the_way_to_bring_it(tmp_path):
    python = [sys.executable, "-S", "-I", str(COMMAND)]  # an interpreter without any package
    done = subprocess.run(python, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "lacks torch, numpy, hydra-core" in done.stderr
    assert "give WHEELS=wheels" in done.stderr
    done = subprocess.run([*python, "--help"], capture_output=True, text=True, check=False)
    assert "folder of wheels" in done.stdout


def test_every_test_is_one_line_and_counted_once(tmp_path):
    """With the hooks of `make test-gpu`: a check that passes, one that fails, one that is not run, and another test."""
    (tmp_path / "test_some.py").write_text(SOME)
    (tmp_path / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    kept = tmp_path / "kept.json"
    environment = {**os.environ, "GPU_CHECKS_JSON": str(kept), "GPU_CHECKS_MACHINE": "{}"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout
    lines = [re.sub(r"\d+\.\d s", "S s", line).split(maxsplit=1) for line in said.splitlines()]
    assert ["ok", "passing                 S s  1, allowed 2: so many"] in lines
    assert ["FAIL", "failing                 S s  no number: it failed before"] in lines
    assert ["skip", "alone                   S s  not run: one GPU"] in lines
    assert ["ok", "of no check             S s"] in lines
    assert "1 failed, 2 passed, 1 skipped" in said
    assert [check["passed"] for check in json.loads(kept.read_text())["checks"]] == [True, False, None, True]


SOME = """
import pytest

@pytest.fixture
def set_up():
    yield

@pytest.mark.parametrize("device", ["cpu"])
@pytest.mark.parametrize("check", ["passing", "failing", "alone"])
def test_a_device(check, device, set_up, record_property):
    if check == "alone":
        pytest.skip("not run: one GPU")
    assert check == "passing"
    record_property("finding", {"measured": 1, "allowed": 2, "what": "so many"})

def test_of_no_check(set_up):
    pass
"""
