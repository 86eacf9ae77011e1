"""Branches of one run that go on with another batch and rate (Merrill et al. 2025)."""

import pytest

from scaling_harness.config.compose import compose
from scaling_harness.errors import CannotTrainHereError, HarnessError, UserError
from scaling_harness.execution.signals import Stop
from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.training.trainer import train
from sweeps.planning.expand import expand
from sweeps.workers import worker

START = {
    "kind": "branched",
    "warmup": {"unit": "tokens", "amount": 160},
    "start_tokens": 640,
    "start_batch_tokens": 32,
    "start_lr": 0.004,
}


@pytest.fixture
def planned(tiny):
    def make(batch, lr=0.004, n_tokens=1280, trunk=True, seeds=(0,), **schedule):
        over = {"schedule": [START | schedule], "budget.batch_tokens": [batch], "optim.lr": [lr]}
        grid = {"shapes": [[1, 16]], "budgets": {"n_tokens": [n_tokens]}, "seeds": list(seeds), "trunk": trunk}
        sweep = {"name": "mine", "question": "?", "grids": [grid | {"over": over}], "stack": 1}
        return expand({**compose(tiny), "sweep": sweep})

    return make


def pair(jobs):
    runs = [run for job in jobs for run in job.runs]
    return next(run for run in runs if run.branches), next(run for run in runs if run.trunk)


def test_a_branch_counts_its_trunks_tokens_in_steps_of_its_own(planned):
    trunk, branch = pair(planned(128, 0.008))
    assert (trunk.batch_tokens, trunk.n_steps, trunk.learning_rate) == (32, 20, 0.004)
    assert trunk.branches == ((20, branch.run_id),)
    assert (branch.batch_tokens, branch.n_steps, branch.decay_start, branch.own_steps) == (128, 10, 5, 5)
    assert [branch.lr_at(step) for step in range(5, 10)] == [0.008] * 5
    assert branch.spent(branch.own_steps)[0] == 640


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def trained(jobs, store, monkeypatch):
    monkeypatch.setattr(worker, "LOOK_AGAIN_S", 0.01)
    worker.work(jobs, store, jobs[0].runs[0].config.runtime, Stop(), train, "mine")
    return store.read(pair(jobs)[1].run_id)


def test_a_branch_of_the_trunks_own_batch_and_rate_is_the_run_without_a_branch(
    planned, store, tiny, monkeypatch, quiet
):
    jobs = planned(32)
    record = trained(jobs, store, monkeypatch)
    whole = expand(
        {
            **compose([*tiny, "schedule=constant", "schedule.warmup={unit: tokens, amount: 160}", "optim.lr=0.004"]),
            "sweep": {
                "name": "whole", "question": "?", "stack": 1,
                "grids": [{"shapes": [[1, 16]], "budgets": {"n_tokens": [1280]}, "seeds": [0],
                           "over": {"budget.batch_tokens": [32]}}],
            },
        }
    )  # fmt: skip
    (alone,) = train(whole[0], whole[0].runs[0].config.runtime, store, quiet)
    assert record.losses == alone.losses
    assert record.spent_flops == pytest.approx(record.train_flops["6nd_with_head"] / 2)


def test_a_larger_batch_reads_the_tokens_that_follow(planned, store, monkeypatch):
    trained(planned(64, 0.004 * 2**0.5), store, monkeypatch)
    trunk, branch = pair(planned(64, 0.004 * 2**0.5))
    steps = store.metrics_path(branch.run_id).read_text().splitlines()
    assert steps[0].startswith('{"step": 11, "tokens": 704')
    assert store.read(trunk.run_id).n_tokens == 640


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"batch": 128, "start_tokens": 672},
            r"672 is not a whole number of steps of budget.batch_tokens 128: try 640",
        ),
        ({"batch": 32, "start_batch_tokens": 192}, r"steps of schedule.start_batch_tokens 192: try 576"),
        ({"batch": 32, "n_tokens": 640}, "leaves nothing of a run of 640 tokens"),
        ({"batch": 32, "warmup": {"unit": "fraction", "amount": 0.1}}, "give it in steps or tokens"),
        ({"batch": 32, "trunk": False}, "set trunk: true in its grid"),
    ],
)
def test_a_branch_point_that_cannot_be_is_a_sentence(planned, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        planned(**changes)


def test_without_its_trunks_state_a_branch_is_not_trained(planned, store, quiet):
    _, branch = pair(planned(64))
    runtime = branch.config.runtime
    with pytest.raises(HarnessError, match="is missing or damaged: remove that run's folder"):
        train(Job((branch,)), runtime, store, quiet)
    from dataclasses import replace

    with pytest.raises(CannotTrainHereError, match="in a sweep whose grid has trunk: true"):
        train(Job((replace(branch, trunk=None),)), runtime, store, quiet)
