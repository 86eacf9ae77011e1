import pytest

from sweeps.status.run_status import RunStatus
from sweeps.status.time_left import seconds_left, seconds_spent

BEGAN, NOW = "2026-01-01T10:00:00+00:00", "2026-01-01T10:30:00+00:00"


def row(name, state, step=0, job=None, **more):
    return RunStatus(name, job or name, state, 100, step, **more)


def left(*rows, flops=6.0):
    return seconds_left(rows, {row.run_id: flops for row in rows}, NOW)


DONE = row("a", "done", 100, wall_s=3600.0, spent_s=4000.0)


def test_it_follows_from_the_runs_done_and_the_jobs_that_run():
    running = row("b", "running", 50, since=BEGAN), row("c", "running", 50, since=BEGAN)
    assert left(DONE, *running, *(row(name, "waiting") for name in "def")) == pytest.approx(2 * 3600)
    # Two halves and a whole by two at once: never less than the whole one takes.
    assert left(DONE, *running, row("d", "waiting")) == pytest.approx(3600)


def test_runs_of_one_job_take_turns():
    """Seconds of a run are its share of its job's: four that are trained in lockstep go on at the speed of one."""
    stack = [row(name, "running", 50, "stack", since=BEGAN, n_together=4) for name in "bcde"]
    assert left(DONE, *stack) == pytest.approx(2 * 3600)
    assert left(DONE, *stack, row("f", "waiting")) == pytest.approx(3 * 3600)


def test_before_any_run_is_done_it_follows_from_those_that_run():
    assert left(row("a", "running", 25, since=BEGAN), row("b", "waiting")) == pytest.approx(1.75 * 4 * 1800)


@pytest.mark.parametrize(
    "rows",
    [
        (DONE, row("b", "waiting")),
        (row("a", "running", 0, since=BEGAN), row("b", "waiting")),
        (row("a", "failed"), row("b", "waiting", 50)),
        (),
    ],
)
def test_nothing_is_said_while_nothing_runs_or_nothing_has_a_speed(rows):
    assert left(*rows) is None


def test_seconds_spent_are_those_of_ended_attempts_and_a_share_of_the_one_under_way():
    assert seconds_spent(row("a", "running", since=BEGAN, spent_s=60.0, n_together=3), NOW) == 60 + 1800 / 3
    assert seconds_spent(DONE, NOW) == 4000.0
