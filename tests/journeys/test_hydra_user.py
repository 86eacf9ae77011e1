"""A journey with Hydra's own command line: several runs by `-m`, then their table by ours."""

import subprocess
import sys

import pandas as pd

from scaling_harness.cli import main


def test_a_multirun_is_a_table_and_a_mistake_a_sentence(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "scaling_harness.train", "-m", *tiny]
    done = subprocess.run([*command, "optim.lr=1e-3,2e-3"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("nats/token") == 2
    assert main(["table", "runs/store", "--csv", "t.csv"]) == 0
    assert set(pd.read_csv("t.csv").lr) == {1e-3, 2e-3}
    done = subprocess.run([*command, "optim.lr=1e-3", "sweep=reproduce-mini"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "start them with `scaling-harness sweep run reproduce-mini`" in done.stderr
