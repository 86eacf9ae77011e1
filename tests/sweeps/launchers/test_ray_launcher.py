"""The Ray launcher with a Ray that is a few threads of this process; tests/cluster has the real one."""

import dataclasses
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import pytest

from scaling_harness.config.compose import compose
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.execution.attempts import attempt_numbers
from sweeps.compose import launcher_config
from sweeps.launchers import ray_launcher
from sweeps.launchers.launch import launch, launch_probe
from sweeps.launchers.ray_launcher import RayLauncher
from sweeps.planning.manifest import CANCELLED
from sweeps.planning.time_estimate import Speed
from sweeps.timing.probe import Probe, write_probe

SLOW = 400


def config(*overrides):
    return launcher_config(compose(["launcher=ray", *overrides]))


@pytest.fixture
def ray(monkeypatch):
    """Ray on one node of 2 CPUs: every task is a thread, and `cancelled` lists those that were to be cancelled."""
    threads, cancelled, asked = ThreadPoolExecutor(), [], []

    def remote(does):
        def options(**given):
            def submit(*words):
                asked.append(given)
                return threads.submit(does, *words)

            if "foo" in given:
                raise ValueError("Invalid option keyword foo for remote functions")
            return SimpleNamespace(remote=submit)

        return SimpleNamespace(options=options)

    def wait_for_one(tasks, timeout):
        done, rest = wait(tasks, timeout, return_when="FIRST_COMPLETED")
        return list(done), list(rest)

    fake = SimpleNamespace(
        is_initialized=lambda: True,
        nodes=lambda: [{"Alive": True, "Resources": {"CPU": 2.0, "accelerator_type:H100": 1.0}}],
        remote=remote,
        wait=wait_for_one,
        get=lambda task: task.result(),
        cancel=cancelled.append,
        cancelled=cancelled,
        asked=asked,
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(ray_launcher, "TRAINER", "fake_training:train")
    yield fake
    threads.shutdown()


@pytest.fixture
def make_sweep(make_manifest):
    """Make a sweep for this launcher."""

    def make(*seeds, overrides=(), **runtime):
        manifest, store = make_manifest(*seeds, **runtime)
        return dataclasses.replace(manifest, launcher=config(*overrides)), store

    return make


def test_every_run_is_trained_once_and_no_more_tasks_are_started_than_there_are_runs(ray, make_sweep, steps_taken):
    manifest, store = make_sweep(1, 2, overrides=["launcher.workers=3", "+launcher.options.accelerator_type=H100"])
    assert launch(manifest, store) == 0
    for run in manifest.runs:
        assert steps_taken(store, run.run_id) == list(range(1, run.n_steps + 1))
        assert attempt_numbers(store.run_dir(run.run_id)) == [1]
    assert len(ray.asked) == 2
    assert ray.asked[0]["accelerator_type"] == "H100"
    assert ray.asked[0]["retry_exceptions"]
    assert launch(manifest, store) == 0
    assert len(ray.asked) == 2


def test_a_cancelled_sweep_leaves_the_command_that_waits_for_it(ray, make_sweep):
    manifest, store = make_sweep(SLOW)

    def cancel():
        while not store.metrics_path(manifest.runs[0].run_id).exists():
            time.sleep(0.01)
        (store.sweep_dir("fake") / CANCELLED).touch()

    striker = threading.Thread(target=cancel)
    striker.start()
    assert launch(manifest, store) == 130
    striker.join()
    assert len(ray.cancelled) == 1
    assert store.checkpoint_path(manifest.runs[0].run_id).exists()


@pytest.mark.parametrize(("kind", "code"), [(UserError, 2), (HarnessError, 1)])
def test_what_workers_say_if_runs_are_left(ray, make_sweep, monkeypatch, kind, code):
    monkeypatch.setattr(ray_launcher, "run_node", lambda *_: (code, "the disk is full"))
    with pytest.raises(kind, match=r"^the disk is full$"):
        launch(*make_sweep(1))


def test_what_ray_says_if_a_task_cannot_run(ray, make_sweep, monkeypatch):
    def lost(*_):
        raise RuntimeError("the node\nis lost")

    monkeypatch.setattr(ray_launcher, "run_node", lost)
    with pytest.raises(HarnessError, match=r"^a task of Ray failed: RuntimeError: the node is lost"):
        launch(*make_sweep(1))


def test_a_gpu_that_no_node_has_is_refused_before_anything_is_written(ray, make_sweep):
    manifest, store = make_sweep(1, device="cuda", overrides=["launcher.slots=4"])
    with pytest.raises(UserError, match=r"asks for 1 CPU and 0\.25 GPU of one node"):
        launch(manifest, store)
    assert ray.asked == []


@pytest.mark.parametrize(
    ("overrides", "device", "gpus", "cpus"),
    [
        ([], "cpu", 0, 2),
        (["launcher.gpus_per_run=4"], "cpu", 0, 8),
        ([], "cuda", 1, 2),
        (["launcher.slots=6"], "cuda", 0.1666, 2),
        (["launcher.gpus_per_run=4", "launcher.cpus_per_run=3"], "cuda", 4, 3),
    ],
)
def test_the_share_of_a_gpu(make_config, overrides, device, gpus, cpus):
    runtime = dataclasses.replace(make_config().runtime, device=device, threads=2)
    options = RayLauncher(config(*overrides)).task_options(runtime)
    assert (options["num_gpus"], options["num_cpus"]) == (gpus, cpus)


def test_runs_that_share_gpus_have_one_each(ray):
    with pytest.raises(UserError, match="2 runs cannot share a GPU"):
        config("launcher.slots=2", "launcher.gpus_per_run=2")
    assert config("launcher.slots=2", "launcher.workers=6").runs_at_once(None) == 6
    assert config("+launcher.options.runtime_env={working_dir: here}").brings_code


def test_a_probe_is_one_task(ray, make_sweep, monkeypatch):
    def timed(words, folder, *_):
        assert words == ["sweeps.timing.probe", str(folder), "--slots", "2"]
        write_probe(folder.parent, Probe("2026-01-01T00:00:00+00:00", "there", 2, Speed()))
        return 0, ""

    monkeypatch.setattr(ray_launcher, "run_program", timed)
    manifest, store = make_sweep(1, 2, overrides=["launcher.slots=2"])
    assert launch_probe(manifest, store).where == "there"
    assert ray.asked[0]["num_cpus"] == 2
    (store.sweep_dir("fake") / "probe.json").unlink()
    monkeypatch.setattr(ray_launcher, "run_program", lambda *_: (0, ""))
    with pytest.raises(HarnessError, match="the probe ended without a result"):
        launch_probe(manifest, store)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{foo: 1}", r"launcher.options are not as Ray takes them: ValueError: Invalid option keyword foo"),
        (
            "{accelerator_type: A100}",
            r"1 CPU and accelerator_type:A100 of one node.*2 CPU, 0 GPU, accelerator_type:H100",
        ),
        ("{resources: {special: 1}}", "1 CPU and 1 special of one node"),
    ],
)
def test_what_no_node_can_give_is_refused(ray, make_sweep, options, said):
    manifest, _ = make_sweep(0, overrides=(f"launcher.options={options}",))
    with pytest.raises(UserError, match=said):
        RayLauncher(manifest.launcher).check(manifest)
    assert ray.asked == []


def test_a_head_that_is_lost_ends_the_command_with_a_sentence(ray, make_sweep, monkeypatch):
    monkeypatch.setattr(ray_launcher, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(ray_launcher, "answers", lambda _: False)
    manifest, store = make_sweep(0)
    with pytest.raises(UserError, match=r"head of the Ray cluster no longer answers.*goes on where they were"):
        RayLauncher(manifest.launcher).start(manifest, store)
