"""A real sweep whose worker is killed ends with the curve of one that nobody touched; several at once: test_local."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.training.trainer import train

TOKENS = 16_000


@pytest.fixture
def command(tiny, tmp_path):
    folder = tmp_path / "my-conf" / "sweep"
    folder.mkdir(parents=True)
    grid = f"{{shapes: [[1, 16]], budgets: {{n_tokens: [{TOKENS}]}}, seeds: [0]}}"
    (folder / "mine.yaml").write_text(f'question: "?"\nname: mine\ngrids: [{grid}]\n')
    more = ["runtime.checkpoint_every_s=0.05", "runtime.workers=1", "runtime.max_attempts=9"]
    return [
        sys.executable,
        "-m",
        "scaling_harness",
        "sweep",
        "run",
        "mine",
        *tiny,
        *more,
        "--config-dir",
        str(folder.parent),
    ]


def workers_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


@pytest.mark.skipif(not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists(), reason="needs Linux /proc")
def test_a_killed_worker_changes_nothing(command, make_plan, tmp_path, quiet):
    plan = make_plan(f"budget.n_tokens={TOKENS}", "seed=0")
    calm = Store(tmp_path / "calm")
    train(Job((plan,)), plan.config.runtime, calm, quiet)

    store = Store(tmp_path / "runs")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as launcher:
        wait_for(lambda: len(list((tmp_path / "runs" / "checkpoints").glob("*.pt"))) == 1)
        for pid in workers_of(launcher.pid):
            os.kill(pid, signal.SIGKILL)
        _, said = launcher.communicate(timeout=120)
    assert launcher.returncode == 0, said
    assert store.metrics_path(plan.run_id).read_bytes() == calm.metrics_path(plan.run_id).read_bytes()
    assert store.read(plan.run_id).losses == calm.read(plan.run_id).losses
    assert (store.run_dir(plan.run_id) / "attempt-0002.json").exists()
