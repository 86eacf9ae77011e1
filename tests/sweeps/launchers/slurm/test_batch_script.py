"""The shell script of an array task, run by a shell, with a node and SLURM's commands that are fakes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeps.compose import launcher_config
from sweeps.launchers.slurm.batch_script import batch_script

DEFAULTS = {
    **dict.fromkeys(("partition", "cap", "cpus_per_run", "memory", "time", "account", "qos", "constraint")),
    **{"kind": "slurm", "workers": 4, "slots": 1, "gpus": 0, "warn_s": 120, "setup": [], "container": None},
    "sbatch": [],
}
NODE = """#!/bin/sh
echo "$@" > {folder}/called
trap 'echo told >> {folder}/told; exit {code}' TERM
touch {folder}/ready
{body}
"""


def script(sweep_dir: Path, **options) -> str:
    launcher = launcher_config({"launcher": {**DEFAULTS, **options}})
    return batch_script(launcher, sweep_dir, 2, (0, 7), launcher.cap)


@pytest.fixture
def task(slurm, tmp_path):
    """Start the script as task 3 of array 100, with a node that ends in a given way."""

    def start(body: str, code: int = 75, **environment) -> subprocess.Popen:
        path = tmp_path / "node"
        path.write_text(NODE.format(folder=tmp_path, code=code, body=body))
        path.chmod(0o755)
        (tmp_path / "task.sh").write_text(script(tmp_path / "mine", container=str(path), setup=["export SET=up"]))
        array = {"SLURM_ARRAY_JOB_ID": "100", "SLURM_ARRAY_TASK_ID": "3"}
        return subprocess.Popen(["bash", str(tmp_path / "task.sh")], env={**os.environ, **array, **environment})

    return start


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


FOREVER = "while :; do sleep 0.05; done"


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_an_order_to_stop_is_passed_on_and_the_task_goes_back_into_the_queue(task, slurm, tmp_path, number):
    running = task(FOREVER)
    wait_for(tmp_path / "ready")
    running.send_signal(number)
    assert running.wait(timeout=20) == 0
    assert (tmp_path / "told").read_text() == "told\n"
    assert slurm.read("scontrol.log") == "requeue 100_3\n"
    assert (tmp_path / "called").read_text().split()[:2] == ["python", "-m"]
    assert "--log 100_3" in (tmp_path / "called").read_text()


def test_a_task_that_slurm_ends_itself_is_not_put_back(task, slurm, tmp_path):
    slurm.write("state", "CANCELLED\n")
    running = task(FOREVER)
    wait_for(tmp_path / "ready")
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=20) == 75
    assert slurm.read("scontrol.log") == ""


@pytest.mark.parametrize(("body", "requeued"), [("exit 0", False), ("exit 2", False), ("kill -9 $$", True)])
def test_a_node_that_is_killed_comes_back_and_one_that_ends_does_not(task, slurm, body, requeued):
    task(body).wait(timeout=20)
    assert (slurm.read("scontrol.log") == "requeue 100_3\n") == requeued


def test_a_task_that_only_dies_does_not_come_back_for_ever(task, slurm):
    task("kill -9 $$", SLURM_RESTART_COUNT="200").wait(timeout=20)
    assert slurm.read("scontrol.log") == ""


def test_options_of_the_site_are_passed_on(tmp_path):
    site = {"partition": "gpu", "account": "lab", "qos": "high", "constraint": "a100", "memory": "16G"}
    more = {"time": "04:00:00", "gpus": 2, "slots": 4, "cap": 3, "sbatch": ["--exclude=n7"], "setup": ["module load x"]}
    text = script(tmp_path / "my runs", **site, **more)
    for option in (
        "partition=gpu",
        "account=lab",
        "qos=high",
        "constraint=a100",
        "mem=16G",
        "time=04:00:00",
        "gres=gpu:2",
        "cpus-per-task=8",
        "array=0-7%3",
        "exclude=n7",
        "signal=B:USR2@120",
    ):
        assert f"#SBATCH --{option}\n" in text
    assert f"#SBATCH '--output={tmp_path}/my runs/logs/%A_%a.out'\n" in text
    assert "\nmodule load x\n" in text
    assert f"--slots 4 '{tmp_path}/my runs'" in text
    assert f"{sys.executable} -P -m sweeps" in text  # no folder of the working directory hides our package
    for absent in ("--mem", "--account", "--gres", "--time"):
        assert absent not in script(tmp_path)


def test_a_task_of_several_nodes_asks_for_one_torchrun_on_each(tmp_path):
    text = script(tmp_path, gpus=4, gpus_per_run=8, nodes_per_run=2)
    for option in ("nodes=2", "ntasks=2", "ntasks-per-node=1", "gres=gpu:4", "cpus-per-task=8"):  # 4 x 2 threads
        assert f"#SBATCH --{option}\n" in text
    assert "--ntasks-per-node" not in script(tmp_path)
