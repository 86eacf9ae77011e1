from dataclasses import replace

import pytest

from scaling_harness.plan.memory import PROCESS_BYTES, run_bytes
from sweeps.planning.expand import resolve_all
from sweeps.planning.stacking import group_into_jobs
from sweeps.planning.time_estimate import Speed, job_seconds


@pytest.fixture
def make_runs(make_config):
    """Runs of one shape for some lengths in steps, seeds and learning rates; composed once, which is slow."""

    def make(*overrides, lengths=(20,), seeds=(0,), lrs=(0.002,)):
        config = make_config(*overrides)
        return resolve_all(
            replace(
                config, budget=replace(config.budget, n_tokens=32 * n), optim=replace(config.optim, lr=lr), seed=seed
            )
            for n in lengths
            for seed in seeds
            for lr in lrs
        )

    return make


def lengths(job):
    return [run.n_steps for run in job.runs]


def test_runs_of_like_length_stand_together(make_runs):
    jobs = group_into_jobs(make_runs(lengths=(10, 30, 20), seeds=(0, 1), lrs=(0.001, 0.002)), 4)
    assert [lengths(job) for job in jobs] == [[30] * 4, [20] * 4, [10] * 4]
    (together,) = group_into_jobs(make_runs(lengths=(10, 30, 20)), 4)
    assert lengths(together) == [30, 20, 10]
    assert [len(job.runs) for job in group_into_jobs(make_runs(seeds=range(5)), 1)] == [1] * 5


@pytest.mark.parametrize(
    "apart",
    [
        "model.d_model=32",
        "budget.batch_tokens=64",
        "optim.beta2=0.9",
        "optim.weight_decay=0.3",
        "optim.grad_clip=null",
        "evaluation.n_points=3",
    ],
)
def test_runs_that_differ_in_anything_else_do_not(make_runs, apart):
    assert len(group_into_jobs([*make_runs(), *make_runs(apart)], 4)) == 2


def test_runs_may_differ_in_their_schedule(make_runs):
    assert len(group_into_jobs([*make_runs(), *make_runs("schedule=wsd")], 4)) == 1


@pytest.mark.parametrize(("runs_in_memory", "sizes"), [(2.5, [2, 2, 1]), (0.1, [1] * 5), (1e3, [4, 1]), (None, [4, 1])])
def test_a_stack_too_large_for_memory_is_split_when_planned(make_runs, runs_in_memory, sizes):
    plans = make_runs(seeds=range(5))
    memory_gb = runs_in_memory and (PROCESS_BYTES + runs_in_memory * run_bytes(plans[0])) / 1e9
    config = plans[0].config
    limited = replace(config, runtime=replace(config.runtime, memory_gb=memory_gb))
    plans = [replace(plan, config=replace(limited, seed=plan.config.seed)) for plan in plans]
    assert sorted((len(job.runs) for job in group_into_jobs(plans, 4)), reverse=True) == sizes


def test_less_is_kept_of_a_batch_in_pieces(make_plan):
    whole, pieces = (make_plan("budget.batch_tokens=320", f"runtime.micro_batch={n}") for n in ("null", 2))
    parameters = 5 * 4 * sum(whole.params.values())
    assert run_bytes(whole) - parameters == pytest.approx(5 * (run_bytes(pieces) - parameters))


def test_a_stack_is_estimated_to_take_its_longest_run_and_the_products_of_all(make_runs):
    short, long = (group_into_jobs([run], 1)[0] for run in make_runs(lengths=(10, 30)))
    (both,) = group_into_jobs(make_runs(lengths=(10, 30)), 2)
    products_alone = Speed(step=0.0)
    assert job_seconds(both, products_alone) == pytest.approx(
        job_seconds(short, products_alone) + job_seconds(long, products_alone)
    )
    steps_alone = Speed(matmul=0.0)
    assert job_seconds(both, steps_alone) == pytest.approx(job_seconds(long, steps_alone))
