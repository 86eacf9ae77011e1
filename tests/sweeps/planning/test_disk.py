import dataclasses

import pytest

from scaling_harness.plan.plan import Job
from sweeps.planning.disk import kept_bytes, most_bytes, state_bytes


def test_a_run_keeps_a_row_a_step_and_never_less_than_was_measured(make_plan):
    plan = make_plan()
    longer = dataclasses.replace(plan, n_steps=73_000)
    assert kept_bytes(longer) >= 73_000 * 127 + 4_500
    assert kept_bytes(longer) - kept_bytes(dataclasses.replace(plan, n_steps=72_000)) == pytest.approx(
        150_000, rel=0.01
    )


def test_two_checkpoints_a_job_in_progress_and_the_states_of_all_branches(make_plan):
    plan = make_plan()
    jobs = [Job((dataclasses.replace(plan, trunk=trunk),)) for trunk in (None, "trunk", "trunk")]
    n_params = sum(plan.params.values())
    assert state_bytes(plan) == 12 * n_params
    assert most_bytes(jobs, at_once=2) == 3 * kept_bytes(plan) + 2 * 2 * 12 * n_params + 2 * 12 * n_params
