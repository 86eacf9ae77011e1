"""`make test-gpu` where it cannot run says why."""

import os
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
