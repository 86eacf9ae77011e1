"""What happens to machines happens here, and no sweep shows it: each run is done once, with the curve of calm weather.

Paced runs are too slow to end before a test has done its deed and lets them go on; see `paced` and `slurm_sweep`.
The test that waits longest stands first: others run beside it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import pytest
from slurm_rig import LEASE_S, wait_for
from slurm_sweep import assert_undisturbed

pytestmark = pytest.mark.cluster
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def restarts(slurm, task):
    """How often SLURM has started a task again."""
    fields = slurm.run("scontrol", "show", "job", task).split()
    return next(int(field.split("=")[1]) for field in fields if field.startswith("Restarts="))


def outcomes(sweep, run_id):
    return [end and end.outcome for end in sweep.attempts(run_id)]


def test_a_time_limit_shorter_than_the_runs(make_sweep, reference, slurm):
    sweep = make_sweep(seeds=(0,), stacked=False)
    sweep.launch("launcher.time=00:01:00", "launcher.warn_s=15", workers=1, slots=1)
    (run_id,) = sweep.wait_for_checkpoints(1)
    task = next(iter(slurm.running()))
    wait_for(lambda: restarts(slurm, task) > 0, "the limit has come and the task is started again", 240.0)
    wait_for(lambda: sweep.newest(run_id)[0] > 1, "the run goes on", 240.0)
    sweep.finish()
    *lives, last = outcomes(sweep, run_id)
    assert set(lives) == {"interrupted"}
    assert last == "completed"
    assert_undisturbed(sweep, reference)


def test_a_killed_training_goes_on_from_its_checkpoint(make_sweep, reference):
    sweep = make_sweep(seeds=(0, 1))
    sweep.launch(workers=1)
    victim = sweep.wait_for_checkpoints(2)[0]
    _, attempt = sweep.newest(victim)
    os.kill(attempt.pid, signal.SIGKILL)
    wait_for(lambda: sweep.newest(victim)[0] == 2, "its run is claimed again")
    assert sweep.newest(victim)[1].checkpoint_mtime_ns is not None
    sweep.finish()
    assert outcomes(sweep, victim) == ["died", "completed"]
    assert "SIGKILL" in sweep.attempts(victim)[0].reason
    assert_undisturbed(sweep, reference)


def test_a_killed_worker_costs_its_runs_an_attempt(make_sweep, reference, slurm):
    sweep = make_sweep()
    sweep.launch()
    runs = sweep.wait_for_checkpoints(4)
    task, node = next(iter(slurm.running().items()))
    victims = {run_id for run_id in runs if sweep.newest(run_id)[1].kernel == node}
    for pid in slurm.processes(node, "sweeps."):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: restarts(slurm, task) == 1, "the task is started again")
    sweep.finish()
    assert victims
    for run_id in runs:
        assert outcomes(sweep, run_id) == ([None, "completed"] if run_id in victims else ["completed"])
    assert_undisturbed(sweep, reference)


def test_warned_tasks_save_their_runs_and_come_again(make_sweep, reference, slurm):
    sweep = make_sweep(seeds=(0, 1))
    sweep.launch(slots=1)
    runs = sweep.wait_for_checkpoints(2)
    tasks = list(slurm.running())
    for task, name in zip(tasks, ("USR2", "TERM"), strict=True):
        slurm.run("scancel", f"--signal={name}", "--batch", task)
    wait_for(lambda: all(restarts(slurm, task) == 1 for task in tasks), "the tasks are started again")
    wait_for(lambda: all(sweep.newest(run_id)[0] == 2 for run_id in runs), "the runs go on")
    sweep.finish()
    assert {tuple(outcomes(sweep, run_id)) for run_id in runs} == {("interrupted", "completed")}
    assert_undisturbed(sweep, reference)


def test_a_warning_that_comes_too_early_is_heard(make_sweep, reference, slurm, tmp_path):
    sweep = make_sweep(seeds=(0, 1), stacked=False)
    sweep.launch(slots=1, setup=[f"touch {tmp_path}/begun-$SLURMD_NODENAME", "sleep 2"])
    wait_for(lambda: len(slurm.running()) == 2, "both tasks run")
    (first, first_node), (second, second_node) = slurm.running().items()
    wait_for((tmp_path / f"begun-{first_node}").exists, "the shell is at the lines before the worker")
    slurm.run("scancel", "--signal=USR2", "--batch", first)
    wait_for(lambda: slurm.processes(second_node, "sweeps.launchers.node"), "Python is being loaded")
    slurm.run("scancel", "--signal=USR2", "--batch", second)
    wait_for(lambda: all(restarts(slurm, task) == 1 for task in (first, second)), "the tasks are started again")
    sweep.finish()
    assert_undisturbed(sweep, reference)


def test_a_preempted_sweep_makes_way_and_comes_back(make_sweep, reference, slurm, tmp_path):
    sweep = make_sweep(seeds=(0, 1))
    sweep.launch(slots=1)
    runs = sweep.wait_for_checkpoints(2)
    tasks = set(slurm.running())
    began = tmp_path / "began"
    slurm.submit("--partition=high", "--nodes=4", "--exclusive", script=f"touch {began}")
    wait_for(began.exists, "the important job has started")
    wait_for(lambda: all(restarts(slurm, task) == 1 for task in tasks), "the sweep's tasks are started again")
    sweep.finish()
    assert {tuple(outcomes(sweep, run_id)) for run_id in runs} == {("interrupted", "completed")}
    assert_undisturbed(sweep, reference)


def test_a_lost_node_is_replaced_after_the_lease_and_may_come_back(make_sweep, reference, slurm):
    sweep = make_sweep(seeds=(0, 1))
    sweep.launch(slots=1)
    runs = sweep.wait_for_checkpoints(2)
    node = sweep.newest(runs[0])[1].kernel
    victims = {run_id for run_id in runs if sweep.newest(run_id)[1].kernel == node}
    slurm.lose_node(node)
    last_beats = {run_id: sweep.last_beat(run_id, 1) for run_id in victims}
    sweep.pace(0)
    sweep.wait_until_finished()
    for run_id in victims:
        assert outcomes(sweep, run_id) == [None, "completed"]
        assert sweep.newest(run_id)[1].kernel != node
        assert sweep.newest(run_id)[1].checkpoint_mtime_ns is not None
        assert sweep.claimed_at(run_id, 2) > last_beats[run_id] + LEASE_S - 1.0
    slurm.start_node(node)
    sweep.wait_until_left()
    wait_for(lambda: set(slurm.node_states()) == {"idle"}, "the node is back")
    assert_undisturbed(sweep, reference)


def test_two_launchers_at_once_and_a_third_afterwards_train_nothing_twice(make_sweep, reference, slurm):
    sweep = make_sweep(seeds=(0, 1))
    command = sweep.command("run", *sweep.slurm_overrides(workers=3, slots=1))
    both = [
        subprocess.Popen(command, env=sweep.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [launcher.communicate(timeout=300)[0] for launcher in both]
    assert [launcher.returncode for launcher in both] == [0, 0], said
    tasks = [task for task, _, _ in slurm.live_jobs()]
    assert len(tasks) == 3  # and not 6
    assert len({task.split("_")[0] for task in tasks}) == 2  # the rig allows 2 tasks an array
    sweep.finish()
    assert all(outcomes(sweep, run_id) == ["completed"] for run_id in sweep.run_ids)
    assert_undisturbed(sweep, reference)

    jobs = slurm.run("squeue", "--noheader", "--states=all", "--format=%A")
    sweep.launch()
    assert slurm.run("squeue", "--noheader", "--states=all", "--format=%A") == jobs
    assert all(outcomes(sweep, run_id) == ["completed"] for run_id in sweep.run_ids)


def test_a_probe_times_the_node_that_it_gets(make_sweep):
    sweep = make_sweep(seeds=(0,))
    sweep.pace(0)
    said = sweep.call("probe", *sweep.slurm_overrides())
    assert "3 runs left: " in said
    assert "gpu hours (timed " in said
    assert ": 2 at once on " in said
    assert not list(sweep.store.run_dir("x").parent.iterdir())


def test_a_partition_that_does_not_exist(make_sweep, slurm):
    sweep = make_sweep()
    said = sweep.call("run", *sweep.slurm_overrides("launcher.partition=gpu"), expect=2)
    assert "no partition gpu" in said
    assert "main" in said
    assert not slurm.live_jobs()
    assert not sweep.store.sweep_dir(sweep.name).exists()


@pytest.fixture
def small_disk(tmp_path):
    """A directory of 4 MB that is a file system of its own."""
    folder = tmp_path / "runs"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_costs_nothing_but_time(small_disk, make_sweep, reference):
    sweep = make_sweep(seeds=(0, 1), stacked=False)
    sweep.launch(workers=1)
    runs = sweep.wait_for_checkpoints(2)
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4096"], capture_output=True)
    assert shutil.disk_usage(small_disk).free == 0
    sweep.wait_until_left()
    assert len(sweep.checkpoints()) == 2
    assert not sweep.records()
    assert all("free some space" in sweep.attempts(run_id)[-1].reason for run_id in runs)

    filler.unlink()
    sweep.launch(workers=1)
    sweep.finish()
    for run_id in runs:
        number, attempt = sweep.newest(run_id)
        assert number > 1
        assert attempt.checkpoint_mtime_ns is not None
        assert sweep.store.read(run_id).warnings == []
    assert_undisturbed(sweep, reference)


def test_damaged_files_are_noticed_and_made_good(make_sweep, reference, slurm):
    sweep = make_sweep(seeds=(0, 1, 2), stacked=False)
    sweep.launch(workers=1, slots=3)
    no_checkpoint, no_line, no_claim = sweep.wait_for_checkpoints(3)
    sweep.call("cancel")
    sweep.wait_until_left()
    assert not sweep.records()

    checkpoint = sweep.store.checkpoint_path(no_checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with sweep.store.metrics_path(no_line).open("a") as file:
        file.write('{"step": 3')
    number = len(sweep.attempts(no_claim)) + 1
    torn = sweep.store.run_dir(no_claim) / f"attempt-{number:04d}.json"
    torn.write_text("")

    sweep.launch(workers=1, slots=3)
    sweep.finish()
    assert "damaged" in sweep.store.read(no_checkpoint).warnings[0]
    assert sweep.store.read(no_line).warnings == []
    assert sweep.newest(no_claim)[0] == number + 1
    assert sweep.claimed_at(no_claim, number + 1) > torn.stat().st_mtime + LEASE_S - 1.0
    assert_undisturbed(sweep, reference)


def test_runs_that_always_fail_are_recorded_and_can_be_tried_again(make_sweep, reference):
    sweep = make_sweep(seeds=(0,), doomed=True)
    sweep.doom.touch()
    sweep.launch(workers=1)
    sweep.finish()
    failed = {run_id: record for run_id, record in sweep.records().items() if record.status == "failed"}
    raises, killed = sorted(failed, key=lambda run_id: "killed by" in failed[run_id].reason)
    assert "this run cannot succeed" in failed[raises].reason
    assert "SIGKILL" in failed[killed].reason
    assert_undisturbed(sweep, reference, except_for=failed)
    said = sweep.call("logs", raises)
    assert "error.log" in said
    assert "in fail" in said  # the last lines of the traceback

    sweep.doom.unlink()
    sweep.call("retry", "--failed")
    sweep.finish()
    assert_undisturbed(sweep, reference)


@pytest.mark.skipif(not os.path.exists(FAKETIME), reason="libfaketime is not installed")
def test_a_lease_is_told_by_the_clock_of_the_file_system(make_sweep, reference, slurm):
    sweep = make_sweep(seeds=(0, 1), stacked=False)
    sweep.launch(workers=1)
    runs = sweep.wait_for_checkpoints(2)
    ((owner, lost),) = slurm.running().items()

    ahead, _ = look_on(sweep, slurm, "+1h")
    time.sleep(1.5 * LEASE_S)  # in which it looks at the runs every second
    assert all(len(sweep.attempts(run_id)) == 1 for run_id in runs), "a fast clock robbed an owner that beats"
    slurm.run("scancel", ahead)
    wait_for(lambda: set(slurm.running()) == {owner} and len(slurm.live_jobs()) == 1, "it has left")

    _, node = look_on(sweep, slurm, "-60")
    slurm.lose_node(lost)
    slurm.run("scancel", owner)  # or SLURM would start it again elsewhere, with a clock that is right
    wait_for(lambda: any(sweep.newest(run_id)[0] == 2 for run_id in runs), "a slow clock sees that the owner is dead")
    sweep.finish()
    assert {sweep.newest(run_id)[1].kernel for run_id in runs} == {node}
    assert_undisturbed(sweep, reference)


def look_on(sweep, slurm, offset):
    """Add a worker whose clock is wrong, where nothing is free; its task and node, once it works."""
    before = set(slurm.running())
    sweep.launch(workers=2, slots=1, setup=[f"export LD_PRELOAD={FAKETIME} NO_FAKE_STAT=1 FAKETIME={offset}"])
    wait_for(lambda: len(slurm.running()) == 2, "a second worker is there")
    (task,) = set(slurm.running()) - before
    node = slurm.running()[task]
    wait_for(lambda: slurm.processes(node, "sweeps.workers.worker"), "it looks for runs")
    return task, node
