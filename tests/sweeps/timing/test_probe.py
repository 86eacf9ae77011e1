"""How fast a machine is, by a step timer and a trainer whose pace is known."""

import pytest

from scaling_harness.errors import HarnessError
from scaling_harness.plan.plan import Job
from sweeps.planning.manifest import Manifest, read_manifest
from sweeps.planning.time_estimate import Speed, job_seconds, step_seconds
from sweeps.timing import step_timer
from sweeps.timing.probe import PROBE_FILE, prepare_probe, read_probe, run_probe, solve_speed


class Clock:
    """A time of its own, and a trainer that spends it: ten times slower in its second round of steps."""

    def __init__(self, monkeypatch):
        self.now, self.lengths, self.factors = 0.0, [], iter((1.0, 10.0, 1.0))
        monkeypatch.setattr(step_timer.time, "monotonic", lambda: self.now)

    def train(self, job, runtime, store, oversight):
        run = job.runs[0]
        self.lengths.append(run.n_steps)
        assert not store.runs_dir.exists() or not list(store.runs_dir.iterdir())
        if run.config.model.d_model == 16 and run.n_steps > 100:
            self.factor = next(self.factors)
        self.now += 5.0
        for step in range(run.n_steps):
            self.now += self.factor * run.config.model.d_model * (3.0 if step < 3 else 1.0)
            oversight.tick(step + 1)


def test_settled_steps_are_timed_in_turn_and_the_short_job_as_a_whole(make_plan, monkeypatch):
    small, large = (Job((make_plan(f"model.d_model={size}"),)) for size in (16, 32))
    clock = Clock(monkeypatch)
    found = step_timer.time_steps(small, large, small.runs[0].config.runtime, 1000.0, 3, clock.train)
    assert found.small_s == (16.0, 160.0, 16.0)
    assert found.large_s == (32.0, 320.0, 32.0)
    assert found.short_s[0] == 5.0 + 16.0 * (step_timer.SHORT + 6)
    assert clock.lengths[2::3] == [step_timer.SHORT] * 3


def test_a_machine_of_known_speed_is_found_again():
    small, large = (1e-3, 2e-4), (2e-3, 9e-3)
    times = [3.0 * fixed + 0.5 * matmul for fixed, matmul in (small, large)]
    found = solve_speed(small, large, *times)
    assert (found.step, found.matmul) == pytest.approx((3.0, 0.5))
    assert solve_speed(large, large, 0.022, 0.022) == Speed(2.0, 2.0)
    assert solve_speed(small, large, 1e-6, 0.022) == Speed(2.0, 2.0)


def test_the_default_speed_is_the_estimates_own(make_plan):
    job = Job((make_plan(),))
    assert job_seconds(job) == job_seconds(job, Speed(1.0, 1.0))
    assert job_seconds(job, Speed(2.0, 2.0, 0.5)) == pytest.approx(2 * job_seconds(job) + 0.5)


@pytest.fixture
def sizes(make_plan):
    """A sweep of three sizes, the middle one first."""
    jobs = tuple(Job((make_plan(f"model.d_model={size}"),)) for size in (32, 64, 16))
    config = jobs[0].runs[0].config
    return Manifest("sizes", "?", 0, config.runtime, config.wandb, jobs)


def test_real_steps_of_both_ends_are_timed_and_kept(sizes, tmp_path):
    folder = prepare_probe(tmp_path / "sizes", sizes)
    found = run_probe(folder, at_once=1, seconds=0.02, rounds=1)
    assert found.speed.step > 0
    assert found.speed.matmul > 0
    assert found.at_once == 1
    assert read_probe(tmp_path / "sizes") == found
    assert sorted(path.name for path in (tmp_path / "sizes").iterdir()) == ["probe", "probe.json"]


def test_the_smallest_and_the_largest_are_chosen_of_those_that_need_no_other(sizes, tmp_path):
    timed = read_manifest(prepare_probe(tmp_path / "sizes", sizes)).jobs
    assert [job.runs[0].config.model.d_model for job in timed] == [16, 64]
    assert sum(step_seconds(timed[0])) < sum(step_seconds(timed[1]))


def test_a_probe_that_cannot_train_says_why(sizes, tmp_path):
    folder = prepare_probe(tmp_path / "sizes", sizes)
    with pytest.raises(HarnessError, match=r"the probe could not train: .*no_such_function"):
        run_probe(folder, at_once=1, train="scaling_harness.execution.signals:no_such_function")
    assert read_probe(tmp_path / "sizes") is None


def test_a_damaged_probe_is_a_sentence(tmp_path):
    (tmp_path / PROBE_FILE).write_text("{")
    with pytest.raises(HarnessError, match="probe again"):
        read_probe(tmp_path)
