"""What a task of Ray does, called without Ray."""

import os
import signal
import threading
import time

import pytest

from scaling_harness.errors import HarnessError
from scaling_harness.record.provenance import now
from sweeps.launchers.ray_task import run_node, run_program
from sweeps.planning.manifest import LOGS
from sweeps.workers.process import arguments_of
from sweeps.workers.resources import import_path

SLOW = 400


@pytest.fixture
def module(tmp_path):
    """Run a module of these lines, from a folder that is only on the import path of whoever asks for it."""

    def run(*lines):
        (tmp_path / "asked_for.py").write_text("\n".join(lines))
        return run_program(["asked_for", "word"], tmp_path, 1, str(tmp_path), str(tmp_path))

    return run


@pytest.fixture(autouse=True)
def same_directory(monkeypatch):
    """Come back to the working directory afterwards."""
    monkeypatch.chdir(os.getcwd())


@pytest.mark.parametrize(("code", "words"), [(0, "all done"), (1, "it failed"), (2, "it cannot be done")])
def test_the_exit_code_and_the_last_line_come_back(module, tmp_path, code, words):
    assert module("import sys", f"print(sys.argv[1]); print({words!r}); sys.exit({code})") == (code, words)
    (log,) = (tmp_path / LOGS).iterdir()
    assert log.read_text() == f"word\n{words}\n"
    assert log.name.startswith("ray-")
    assert os.getcwd() == str(tmp_path)


@pytest.mark.parametrize("line", ["import os; os.kill(os.getpid(), 9)", "raise SystemExit(75)"])
def test_what_was_killed_or_has_work_left_is_an_error_so_that_ray_tries_again(module, line):
    with pytest.raises(HarnessError, match=r"a worker on .* (killed by SIGKILL|ended with exit code 75)"):
        module(line)


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path):
    code, said = run_program(["never"], tmp_path / "elsewhere", 1, "/", "")
    assert code == 2
    assert f"has no folder {tmp_path / 'elsewhere'}: every node" in said


def test_a_sweep_is_trained_and_saved_when_ray_cancels_the_task(make_manifest, steps_taken):
    manifest, store = make_manifest(SLOW)
    (run,) = manifest.runs
    folder = store.sweep_dir("fake")
    task = arguments_of(folder, manifest.runtime, "fake_training:train"), folder, 1, os.getcwd(), import_path()

    def interrupt():
        while not store.metrics_path(run.run_id).exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    striker = threading.Thread(target=interrupt)
    striker.start()
    with pytest.raises(HarnessError, match="cancelled on"):
        run_node(*task)
    striker.join()
    assert store.checkpoint_path(run.run_id).exists(), now()
    assert run_node(*task) == (0, "")
    assert steps_taken(store, run.run_id) == list(range(1, run.n_steps + 1))
