import dataclasses
import json
import math
from types import SimpleNamespace

import pytest

from scaling_harness.errors import HarnessError
from scaling_harness.plan.plan import Job
from scaling_harness.record.record import read_record
from scaling_harness.record.store import Store
from scaling_harness.training import run_stack as stack
from scaling_harness.training import trainer
from scaling_harness.training.oversight import Interrupted
from scaling_harness.training.trainer import _Member

GOLDEN_LOSSES = [5.54304266, 2.99152017, 1.85262179, 1.36510015, 1.34454489]
GOLDEN_VALID = 1.2269185


class Quiet:
    """Lets a run go on to its end."""

    def tick(self, step):
        pass

    def confirm(self):
        pass


class StopAt(Quiet):
    """Ends an attempt at a step: in order, or as a kill would, with nothing saved."""

    def __init__(self, step, error):
        self.step, self.error = step, error

    def tick(self, step):
        if step == self.step:
            raise self.error


class Killed(BaseException):
    pass


def train(store_dir, *plans, oversight=None, **runtime):
    store = Store(store_dir)
    where = dataclasses.replace(plans[0].config.runtime, **runtime)
    return trainer.train(Job(tuple(plans)), where, store, oversight or Quiet())


def curve(store_dir, plan) -> bytes:
    return Store(store_dir).metrics_path(plan.run_id).read_bytes()


@pytest.fixture
def undisturbed(make_plan, tmp_path):
    plan = make_plan("budget.n_tokens=3200")
    (record,) = train(tmp_path / "undisturbed", plan)
    return plan, record, curve(tmp_path / "undisturbed", plan)


def same(record, other) -> bool:
    """Whether two records agree but for times, memory and warnings."""
    free = {"wall_s": 0, "tokens_per_s": 0, "provenance": {}, "peak_memory_bytes": 0, "warnings": [], "runtime": {}}
    return dataclasses.replace(record, **free) == dataclasses.replace(other, **free)


def test_a_run_learns_and_says_all_it_did(undisturbed, tmp_path):
    plan, record, text = undisturbed
    rows = [json.loads(line) for line in text.splitlines()]
    steps = [row for row in rows if "loss" in row]
    valid = [row for row in rows if "valid_loss" in row]
    assert [row["step"] for row in steps] == list(range(1, 101))
    assert [row["step"] for row in valid] == list(plan.eval_steps)
    assert steps[-1]["tokens"] == 3200
    assert steps[-1]["flops"] == pytest.approx(plan.train_flops["6nd_with_head"])
    assert [row["lr"] for row in steps] == pytest.approx([plan.lr_at(i) for i in range(100)])
    assert record.losses["valid"].loss_nats < 0.7 * steps[0]["loss"]
    assert record.train_loss_nats == pytest.approx(sum(row["loss"] for row in steps[90:]) / 10)
    assert record.status == "completed"
    assert record == read_record(Store(tmp_path / "undisturbed").run_dir(plan.run_id))


def test_the_same_run_again_is_the_same_to_the_bit(undisturbed, tmp_path):
    plan, record, text = undisturbed
    (again,) = train(tmp_path / "again", plan)
    assert curve(tmp_path / "again", plan) == text
    assert same(again, record)


@pytest.mark.parametrize("step", [1, 49, 50, 73, 99])
def test_an_interrupted_run_goes_on_to_the_same_curve(undisturbed, tmp_path, step):
    plan, record, text = undisturbed
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", plan, oversight=StopAt(step, Interrupted("enough")))
    (resumed,) = train(tmp_path / "cut", plan)
    assert curve(tmp_path / "cut", plan) == text
    assert same(resumed, record)
    assert not list((tmp_path / "cut" / "checkpoints").iterdir())


@pytest.mark.parametrize("checkpoint_every_s", [1e-9, 1e9])
def test_a_killed_run_goes_on_to_the_same_curve(undisturbed, tmp_path, checkpoint_every_s):
    """With a checkpoint at every step, and with none at all; the kill leaves a curve longer than the checkpoint."""
    plan, record, text = undisturbed
    with pytest.raises(Killed):
        train(tmp_path / "cut", plan, oversight=StopAt(60, Killed()), checkpoint_every_s=checkpoint_every_s)
    with Store(tmp_path / "cut").metrics_path(plan.run_id).open("a") as file:
        file.write('{"step": 61, "lo')
    (resumed,) = train(tmp_path / "cut", plan)
    assert curve(tmp_path / "cut", plan) == text
    assert same(resumed, record)


def test_a_kill_during_evaluation(undisturbed, tmp_path, monkeypatch):
    plan, record, text = undisturbed

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(stack, "evaluate", die)
        with pytest.raises(Killed):
            train(tmp_path / "cut", plan, checkpoint_every_s=1e-9)
    (resumed,) = train(tmp_path / "cut", plan)
    assert curve(tmp_path / "cut", plan) == text
    assert same(resumed, record)


def test_a_damaged_checkpoint_is_said_and_the_run_starts_anew(undisturbed, tmp_path):
    plan, _, text = undisturbed
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", plan, oversight=StopAt(50, Interrupted("enough")))
    path = Store(tmp_path / "cut").checkpoint_path(plan.run_id)
    path.write_bytes(path.read_bytes()[:1000])
    (resumed,) = train(tmp_path / "cut", plan)
    assert curve(tmp_path / "cut", plan) == text
    assert "damaged" in resumed.warnings[0]


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda text: text[:200], lambda text: text.replace(b'"lr"', b'"', 1)]
)
def test_a_damaged_curve_is_said_and_the_run_starts_anew(undisturbed, tmp_path, damage):
    plan, _, text = undisturbed
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", plan, oversight=StopAt(50, Interrupted("enough")))
    path = Store(tmp_path / "cut").metrics_path(plan.run_id)
    path.write_bytes(damage(path.read_bytes()))
    (resumed,) = train(tmp_path / "cut", plan)
    assert curve(tmp_path / "cut", plan) == text
    assert resumed.warnings[0] == f"the curve of {plan.run_id} was damaged: started from the beginning"


def test_a_checkpoint_of_other_runs_is_not_read(undisturbed, make_plan, tmp_path):
    plan, _, _ = undisturbed
    other = make_plan("budget.n_tokens=3200", "seed=5")
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", other, oversight=StopAt(50, Interrupted("enough")))
    store = Store(tmp_path / "cut")
    store.checkpoint_path(other.run_id).rename(store.checkpoint_path(plan.run_id))
    (resumed,) = train(tmp_path / "cut", plan)
    assert "belonged to other runs" in resumed.warnings[0]


def test_runs_of_a_stack_are_what_they_are_alone(undisturbed, make_plan, tmp_path):
    plan, record, text = undisturbed
    others = [make_plan("budget.n_tokens=3200", f"seed={seed}") for seed in (1, 2)]
    stacked = train(tmp_path / "stack", plan, *others)
    assert curve(tmp_path / "stack", plan) == text
    assert stacked[0].losses == record.losses
    assert len({r.losses["valid"].loss_nats for r in stacked}) == 3
    assert {r.job_id for r in stacked} == {Job((plan, *others)).job_id}


def test_divergence_ends_one_run_and_leaves_its_stack_alone(make_plan, tmp_path):
    good, bad = (make_plan("budget.n_tokens=3200", f"seed={s}") for s in (0, 1))
    bad = dataclasses.replace(bad, learning_rate=1e6)
    (alone,) = train(tmp_path / "alone", good)
    kept, lost = train(tmp_path / "stack", good, bad)
    assert kept.losses == alone.losses
    assert (lost.status, lost.losses) == ("diverged", {})
    assert "times its first" in lost.reason
    last = json.loads(curve(tmp_path / "stack", bad).splitlines()[-1])
    assert f"at step {last['step']}" in lost.reason


def member(first_loss=5.0):
    return _Member(SimpleNamespace(), None, first_loss, 0.0, 0)


def test_a_batch_unlike_all_others_is_no_divergence():
    run = member()
    for step, loss in enumerate([5.0, 14.0, *[2.0] * 20, 14.0, 14.0, 2.0]):
        run.add(step, loss, 1.0)
    assert run.diverged is None


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([2.0, math.nan], "nan nats at step 2; the mean of 2 steps was nan, above 2 times its first, 5"),
        ([1e9], "the mean of 1 steps was 1e+09"),
        ([2.0] * 10 + [12.0] * 10, "12 nats at step 19; the mean of 10 steps was 11, above 2 times its first, 5"),
    ],
)
def test_a_loss_that_is_no_number_or_stays_high_is_divergence(losses, reason):
    run = member()
    for step, loss in enumerate(losses):
        run.add(step, loss, 1.0)
    assert reason in (run.diverged or "")


def test_gradient_accumulation_does_not_change_the_numbers(make_plan, tmp_path):
    plan = make_plan("budget.batch_tokens=128", "budget.n_tokens=3200")
    (whole,) = train(tmp_path / "whole", plan)
    (parts,) = train(tmp_path / "parts", plan, micro_batch=3)
    assert parts.losses["valid"].loss_nats == pytest.approx(whole.losses["valid"].loss_nats, abs=1e-4)


def test_bfloat16_follows_float32(undisturbed, tmp_path):
    plan, record, _ = undisturbed
    (low,) = train(tmp_path / "low", plan, dtype="bfloat16")
    assert low.losses["valid"].loss_nats == pytest.approx(record.losses["valid"].loss_nats, rel=0.03)
    assert low.losses != record.losses


@pytest.mark.parametrize("schedule", ["cosine", "constant", "wsd"])
@pytest.mark.parametrize("model", ["mup", "standard"])
def test_every_schedule_and_parametrisation_trains(make_plan, tmp_path, model, schedule):
    plan = make_plan(f"model={model}", f"schedule={schedule}", "model.n_ctx=32", "model.d_model=16", "model.n_layer=1")
    (record,) = train(tmp_path, plan)
    assert record.status == "completed"


def test_extra_evaluation_sets_are_measured(make_plan, tmp_path):
    (record,) = train(tmp_path, make_plan("evaluation.extra_sets=[code]"))
    assert set(record.losses) == {"valid", "code"}
    assert record.losses["code"].loss_nats > record.losses["valid"].loss_nats
    assert set(record.data["extra_ids"]) == {"code"}


def test_counts_that_do_not_add_up_are_refused(make_plan, tmp_path):
    plan = make_plan()
    wrong = dataclasses.replace(plan, params={**plan.params, "mlp": 1})
    with pytest.raises(HarnessError, match="groups add up to"):
        train(tmp_path, wrong)


def test_the_golden_curve(make_plan, tmp_path):
    """What a refactoring may not change; where it must change, NUMERICS_VERSION is bumped with it."""
    recipe = ("optim.lr=0.002", "schedule.warmup.amount=0.02", "model.token_shift=1")
    plan = make_plan("budget.n_tokens=3200", "seed=7", "model.d_head=16", *recipe)
    (record,) = train(tmp_path, plan)
    losses = [json.loads(line).get("loss") for line in curve(tmp_path, plan).splitlines()]
    by_step = [loss for loss in losses if loss is not None]
    assert by_step[::20] == pytest.approx(GOLDEN_LOSSES, rel=1e-4)
    assert record.losses["valid"].loss_nats == pytest.approx(GOLDEN_VALID, rel=1e-4)


def test_the_best_checkpoint_is_that_of_the_lowest_validation_loss(make_plan, tmp_path):
    """On 96 tokens again and again the loss rises after a while; a run that was stopped in between finds the same."""
    words = ("data.train_tokens=96", "data.max_epochs=1000", "budget.n_tokens=6400", "optim.lr=0.03")
    plan = make_plan(*words, "evaluation.best_checkpoint=true", "evaluation.n_points=12", "data.test_fraction=0.2")
    (record,) = train(tmp_path / "whole", plan)
    rows = [json.loads(line) for line in curve(tmp_path / "whole", plan).splitlines()]
    lowest = min((row for row in rows if "valid_loss" in row), key=lambda row: row["valid_loss"])
    assert record.best.step == lowest["step"] < plan.n_steps
    assert record.best.n_tokens == lowest["tokens"]
    assert set(record.best.losses) == {"valid", "test"}
    assert record.best.losses["test"].loss_nats < record.losses["test"].loss_nats
    assert record.n_unique_tokens == 96
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", plan, oversight=StopAt(record.best.step + 3, Interrupted("stopped")))
    (resumed,) = train(tmp_path / "cut", plan)
    assert same(resumed, record)
    assert curve(tmp_path / "cut", plan) == curve(tmp_path / "whole", plan)
    assert read_record(Store(tmp_path / "whole").run_dir(plan.run_id)) == record


def test_losses_by_position_average_to_the_loss(make_plan, tmp_path):
    plan = make_plan("evaluation.by_position=true")
    (record,) = train(tmp_path, plan)
    by_position = record.losses["valid"].position_losses_nats
    assert len(by_position) == plan.config.model.n_ctx
    assert sum(by_position) / len(by_position) == pytest.approx(record.losses["valid"].loss_nats, abs=1e-5)
    assert by_position[0] > by_position[-1]
    rows = [json.loads(line) for line in curve(tmp_path, plan).splitlines()]
    assert [len(row["valid_by_position"]) for row in rows if "valid_loss" in row] == [32] * len(plan.eval_steps)
    assert train(tmp_path / "plain", make_plan())[0].losses["valid"].position_losses_nats == []


def test_a_run_with_dropout_in_a_stack_is_the_run_alone_and_resumes(make_plan, tmp_path):
    words = ("model.options.dropout=0.2", "budget.n_tokens=960", "evaluation.noise_every=8", "evaluation.noise_seqs=2")
    plans = [make_plan(*words, f"seed={seed}") for seed in (5, 6)]
    stacked = train(tmp_path / "stack", *plans)
    (alone,) = train(tmp_path / "alone", plans[1])
    assert stacked[1].losses == alone.losses
    assert stacked[1].noise == alone.noise
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", plans[1], oversight=StopAt(13, Interrupted("stopped")))
    (resumed,) = train(tmp_path / "cut", plans[1])
    assert same(resumed, alone)
    assert curve(tmp_path / "cut", plans[1]) == curve(tmp_path / "alone", plans[1])


@pytest.mark.parametrize(
    "words",
    [
        ("model.target=lstm", "model.parametrisation=standard", "model.token_shift=1"),
        ("model.target=recurrent", "model.options.passes=3"),
    ],
)
def test_a_built_in_architecture_learns(make_plan, tmp_path, words):
    plan = make_plan(*words, "budget.n_tokens=3200", "optim.lr=0.01")
    (record,) = train(tmp_path, plan)
    first = json.loads(curve(tmp_path, plan).splitlines()[0])["loss"]
    assert record.losses["valid"].loss_nats < 0.7 * first
    assert record.params == plan.params
