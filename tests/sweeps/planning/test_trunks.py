"""Branches of a trunk are the runs they would be alone, to the bit, whatever happens on the way."""

import math
from dataclasses import replace

import pytest

from scaling_harness.config.compose import compose
from scaling_harness.errors import UserError
from scaling_harness.execution.execute import execute
from scaling_harness.execution.orphaned_branches import is_ready
from scaling_harness.execution.signals import Stop
from scaling_harness.plan.plan import Job
from scaling_harness.record.store import Store
from scaling_harness.training.oversight import Interrupted
from scaling_harness.training.trainer import train
from sweeps.planning.expand import expand
from sweeps.planning.manifest import Manifest, merge_jobs, read_manifest, write_manifest
from sweeps.planning.plan_table import plan_rows, plan_totals
from sweeps.tuning.tune import groups_of
from sweeps.workers import worker
from sweeps.workers.circuit_breaker import LIMIT, check_repeated_error

BUDGETS = [640, 1280, 1920]  # 20, 40, 60 steps; the last quarter decays
GRID = {"shapes": [[1, 16]], "budgets": {"n_tokens": BUDGETS}, "seeds": [0, 1], "trunk": True}


@pytest.fixture
def document(tiny):
    schedule = ["schedule=wsd", "schedule.warmup={unit: steps, amount: 5}", "schedule.cooldown_fraction=0.25"]
    return compose([*tiny, *schedule])


def sweep(document, *grids, stack=1):
    return {**document, "sweep": {"name": "mine", "question": "?", "grids": list(grids), "stack": stack}}


@pytest.fixture
def planned(document):
    """Jobs with and without trunks, of the same runs."""

    def make(stack=1, **changes):
        grid = {**GRID, **changes}
        return expand(sweep(document, grid, stack=stack)), expand(sweep(document, {**grid, "trunk": False}))

    return make


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def plain(planned, tmp_path, quiet):
    """Losses and curves of the plain runs of seed 0, by run_id."""
    store = Store(tmp_path / "plain")
    found = {}
    for job in planned(seeds=[0])[1]:
        (record,) = train(job, job.runs[0].config.runtime, store, quiet)
        found[record.run_id] = record.losses, store.metrics_path(record.run_id).read_text().splitlines()
    return found


def runs_of(jobs):
    return [run for job in jobs for run in job.runs]


def trunks_and_branches(jobs):
    runs = runs_of(jobs)
    return [run for run in runs if run.branches], sorted((r for r in runs if r.trunk), key=lambda run: run.n_steps)


def checkpoints(store):
    return sorted(path.name for path in store.checkpoint_path("x").parent.glob("*.pt"))


def test_budgets_share_a_trunk_and_stay_the_runs_they_are(planned):
    shared, apart = planned()
    trunks, branches = trunks_and_branches(shared)
    assert {run.fingerprint for run in branches} == {run.fingerprint for run in runs_of(apart)}
    assert [(run.config.schedule.kind, run.n_steps) for run in trunks] == [("constant", 45)] * 2
    for trunk in trunks:
        mine = [run for run in branches if run.trunk == trunk.run_id]
        assert trunk.branches == tuple((run.decay_start, run.run_id) for run in mine)
        assert [(run.decay_start, run.own_steps) for run in mine] == [(15, 5), (30, 10), (45, 15)]
        for run in mine:
            assert [trunk.lr_at(i) for i in range(run.decay_start)] == [run.lr_at(i) for i in range(run.decay_start)]


def test_the_cost_counts_a_trunk_once(planned):
    shared, apart = (plan_totals(plan_rows(jobs, {}), 1) for jobs in planned())
    assert shared["train_flops"] / apart["train_flops"] == pytest.approx((45 + 5 + 10 + 15) / (20 + 40 + 60))
    assert shared["estimated_s_left"] < apart["estimated_s_left"]


def test_seeds_of_a_trunk_and_of_a_budget_are_stacked(planned):
    jobs, _ = planned(stack=4)
    assert [[run.own_steps for run in job.runs] for job in jobs] == [[45] * 2, [15] * 2, [10] * 2, [5] * 2]


def test_a_search_is_for_the_branches_each_trained_alone(planned):
    branched, alone = (sorted(groups_of(runs_of(jobs)), key=lambda group: group.plan.n_tokens) for jobs in planned())
    assert [(group.plan.n_tokens, len(group.plans)) for group in branched] == [(tokens, 2) for tokens in BUDGETS]
    settings = {"optim.lr": 0.003}
    assert [group.with_settings(settings) for group in branched] == [group.with_settings(settings) for group in alone]


def test_a_rule_takes_the_mean_horizon(document, planned):
    rule = {"rule": "power", "value": 0.002, "n_exponent": 0.0, "d_exponent": -0.5, "n_params": 1.0, "n_tokens": 1000.0}
    jobs, _ = planned(over={"optim.lr": [rule]})
    expected = 0.002 * (round(math.prod(BUDGETS) ** (1 / 3)) / 1000) ** -0.5
    assert [run.learning_rate for run in runs_of(jobs)] == [pytest.approx(expected)] * 8


def test_a_falling_rate_needs_no_horizon(planned):
    rule = {"rule": "power", "value": 0.002, "n_exponent": 0.0, "d_exponent": -0.5, "n_params": 1.0, "n_tokens": 1000.0}
    shared, apart = planned(over={"optim.lr": [rule], "schedule.fall_exponent": [0.5]})
    trunks, branches = trunks_and_branches(shared)
    assert {run.fingerprint for run in branches} == {run.fingerprint for run in runs_of(apart)}
    for run in (*trunks, *branches):
        start = run.warmup_steps
        at_end = 0.002 * (start * run.batch_tokens / 1000) ** -0.5
        falling = [run.lr_at(step) for step in range(start, run.decay_start)]
        assert falling == pytest.approx(
            [at_end * (start / (step + 1)) ** 0.5 for step in range(start, run.decay_start)]
        )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"over": {"schedule": [{"kind": "cosine", "final_fraction": 0.1, "warmup": {"unit": "steps", "amount": 5}}]}},
         "the schedule cosine has no steps"),
        ({"over": {"schedule.warmup": [{"unit": "fraction", "amount": 0.1}]}}, "give it in steps or tokens"),
        ({"over": {"schedule.fall_exponent": [0.3], "schedule.warmup.amount": [0]}}, "fall_exponent needs a warm-up"),
        ({"over": {"schedule.cooldown_fraction": [0.0]}}, "decays from step 20 of 20"),
        ({"over": {"schedule.cooldown_fraction": [1.0], "schedule.warmup.amount": [0]}}, "decays from step 0 of 20"),
    ],
)  # fmt: skip
def test_what_a_trunk_cannot_serve_is_a_sentence(planned, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        planned(**changes)


def test_a_manifest_keeps_trunks_and_merging_adds_branches(document, planned, tmp_path):
    from scaling_harness.config.compose import run_config

    config = run_config(document)
    jobs, _ = planned(stack=2)
    manifest = Manifest("mine", "?", 1, config.runtime, config.wandb, jobs)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    fewer, _ = planned(stack=2, budgets={"n_tokens": BUDGETS[1:]})
    merged = merge_jobs(fewer, jobs)
    trunk, _ = trunks_and_branches(merged)
    assert [len(run.branches) for run in trunk] == [3, 3]
    assert {run.run_id for run in runs_of(merged)} == {run.run_id for run in runs_of(jobs)}


@pytest.mark.parametrize("stack", [1, 2])
def test_a_worker_trains_them_as_the_plain_runs(planned, plain, store, monkeypatch, stack):
    monkeypatch.setattr(worker, "LOOK_AGAIN_S", 0.01)
    jobs, _ = planned(stack=stack)
    worker.work(jobs, store, jobs[0].runs[0].config.runtime, Stop(), train, "mine")
    _, branches = trunks_and_branches(jobs)
    for run in branches:
        record = store.read(run.run_id)
        assert record.trunk == run.trunk
        assert record.spent_flops == pytest.approx(record.train_flops["6nd_with_head"] / 4)
        if run.run_id in plain:
            losses, curve = plain[run.run_id]
            assert record.losses == losses
            assert store.metrics_path(run.run_id).read_text().splitlines() == curve[-len(read_steps(store, run)) :]
            assert read_steps(store, run)[0].startswith(f'{{"step": {run.decay_start + 1},')
    assert checkpoints(store) == []


def read_steps(store, run):
    return store.metrics_path(run.run_id).read_text().splitlines()


class StopAt:
    def __init__(self, step, error):
        self.step, self.error = step, error

    def tick(self, step):
        if step == self.step:
            raise self.error

    def confirm(self):
        pass


def begin(planned, store, stop_at):
    """Train the trunk of seed 0 up to a step; the trunk's job, and the branches' by length."""
    jobs, _ = planned(seeds=[0])
    trunk, *branches = sorted(jobs, key=lambda job: (job.runs[0].trunk is not None, job.runs[0].n_steps))
    with pytest.raises(Interrupted):
        train(trunk, trunk.runs[0].config.runtime, store, StopAt(stop_at, Interrupted("enough")))
    return trunk, branches


def test_a_branch_starts_before_its_trunk_has_ended_and_survives_a_stop(planned, plain, store, quiet):
    trunk, (first, second, _) = begin(planned, store, 20)
    runtime = first.runs[0].config.runtime
    assert is_ready(first.runs[0], store)
    assert not is_ready(second.runs[0], store)
    with pytest.raises(Interrupted):
        train(first, runtime, store, StopAt(18, Interrupted("enough")))
    (record,) = train(first, runtime, store, quiet)
    assert (record.losses, record.trunk, record.warnings[:1]) == (plain[record.run_id][0], first.runs[0].trunk, [])
    assert checkpoints(store) == [f"{trunk.job_id}.pt"]
    train(trunk, runtime, store, quiet)
    assert is_ready(second.runs[0], store)
    assert f"{first.job_id}-trunk.pt" not in checkpoints(store)


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_without_what_its_trunk_left_a_run_is_trained_whole(planned, plain, store, quiet, damage):
    _, (first, *_) = begin(planned, store, 20)
    path = store.snapshot_path(first.job_id)
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:500])
    (record,) = train(first, first.runs[0].config.runtime, store, quiet)
    assert (record.losses, read_steps(store, first.runs[0])) == plain[record.run_id]
    assert record.trunk is None
    assert record.spent_flops == record.train_flops["6nd_with_head"]
    assert any("missing or damaged" in warning for warning in record.warnings)


def test_branches_of_a_trunk_that_failed_fail_with_its_reason_and_are_no_case_for_the_breaker(planned, store, quiet):
    trunk, branches = begin(planned, store, 20)
    run = trunk.runs[0]
    bad = Job((replace(run, learning_rate=1e6),))
    store.checkpoint_path(trunk.job_id).unlink()
    (record,) = train(bad, run.config.runtime, store, quiet)
    assert record.status == "diverged"
    kinds = [execute(job, run.config.runtime, store, Stop(), train).kind for job in branches]
    assert kinds == ["completed", "gave_up", "gave_up"]  # the first had left before
    lost = store.read(branches[1].job_id)
    assert (lost.status, lost.spent_flops) == ("failed", 0.0)
    assert lost.reason == f"its trunk {run.run_id} diverged: {record.reason}"
    check_repeated_error([branches[1]] * LIMIT, store, "mine")
