import dataclasses
import math
import subprocess
import sys

import pytest

from scaling_harness.config.schema import FlopsBudget, RatioBudget
from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Job, resolve


def test_runtime_fields_are_not_identity_and_science_fields_are(make_plan):
    base = make_plan()
    for override in ("runtime.device=cuda", "runtime.threads=2", "runtime.micro_batch=1", "wandb.mode=offline"):
        assert make_plan(override).fingerprint == base.fingerprint, override
    changed = [
        "model.d_model=32",
        "model.d_ff_ratio=2",
        "model=standard",
        "data.valid_fraction=0.3",
        "optim.lr=0.003",
        "optim.beta2=0.99",
        "schedule.final_fraction=0",
        "schedule.warmup.amount=0.1",
        "budget.n_tokens=1280",
        "budget.batch_tokens=64",
        "evaluation.n_points=5",
        "seed=1",
    ]
    prints = {make_plan(override).fingerprint for override in changed}
    assert len(prints | {base.fingerprint}) == len(changed) + 1


def test_the_same_run_by_another_budget_is_the_same_run(make_config, make_plan):
    by_tokens = make_plan("budget.n_tokens=6400")
    n = by_tokens.n_params["with_head"]
    budgets = (
        FlopsBudget(train_flops=6.0 * n * 6400, batch_tokens=32),
        RatioBudget(tokens_per_param=6400 / n, batch_tokens=32),
    )
    plans = [resolve(dataclasses.replace(make_config(), budget=budget), by_tokens.data) for budget in budgets]
    assert [plan.run_id for plan in plans] == [by_tokens.run_id] * 2


def test_what_later_versions_can_set_is_left_out_of_the_identity_at_its_old_value(make_plan):
    """The fingerprints are those that the version before these fields gave."""
    told = ("model.norm=rms", "model.positions=rotary", "model.activation=squared_relu", "model.target=decoder")
    assert make_plan(*told).run_id == make_plan().run_id
    assert set(make_plan().science["model"]) == {
        *("n_layer", "d_model", "n_ctx", "parametrisation", "n_head", "d_ff_ratio", "token_shift", "target")
    }
    plain = ("model=gpt2", "optim=gpt2", "model.d_head=16")
    assert make_plan(*plain).science["model"]["target"] == "scaling_harness.bench.gpt2:gpt2"
    assert make_plan(*plain).name.startswith("gpt2-l1-d16")
    layer = make_plan("model.norm=layer")
    assert layer.science["model"]["norm"] == "layer"
    assert layer.fingerprint != make_plan().fingerprint


def test_heads_by_number_or_by_size_are_the_same_run(make_plan):
    assert make_plan().fingerprint == make_plan("model.d_head=null", "model.n_head=1").fingerprint


def test_counts_and_flops_follow_the_shape(make_plan):
    plan = make_plan()
    assert plan.n_params == {"non_embedding": 3072, "with_head": 7168, "total": 11264}
    assert plan.train_flops["6nd_with_head"] == 6 * 7168 * 640
    assert (plan.n_steps, plan.batch_seqs, plan.n_tokens) == (20, 1, 640)


def test_evaluation_steps_end_with_the_run_and_are_log_spaced(make_plan):
    steps = make_plan("budget.n_tokens=64000", "evaluation.n_points=4").eval_steps
    assert steps == tuple(round(2000 * 100 ** (i / 4 - 1)) for i in (1, 2, 3, 4))
    assert make_plan("budget.n_tokens=32").eval_steps == (1,)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("budget.batch_tokens=48",), "not a whole number of contexts of 32; try 32"),
        (("budget.n_tokens=10",), "less than one step of 32"),
        (("schedule.warmup={unit: steps, amount: 50}",), "a warm-up of 50 steps is 50 steps, the run has 20"),
        (("budget.n_tokens=1000000000",), "are available at one epoch"),
        (
            ("budget.batch_tokens={rule: kaplan2020}",),
            "kaplan2020 has no batch_tokens; give a number, or one of deepseek",
        ),
        (("optim=kaplan", "model.d_model=2000000", "model.n_ctx=32"), "kaplan2020 gives the learning rate"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence(make_plan, overrides, sentence):
    with pytest.raises(UserError, match=sentence):
        make_plan(*overrides)


def test_repetition_is_allowed_when_asked_for_and_counted(make_plan):
    unique = make_plan().n_unique_tokens
    plan = make_plan("data.max_epochs=3", f"budget.n_tokens={unique * 2}")
    assert plan.epochs == pytest.approx(2.0, rel=0.01)


def test_learning_rate_rules(make_plan):
    rule = "optim.lr={rule: power, value: 0.01, n_exponent: -0.5, d_exponent: -1, n_params: 7168, n_tokens: 320}"
    assert make_plan(rule).learning_rate == pytest.approx(0.01 / 2)
    kaplan = make_plan("optim=kaplan").learning_rate
    assert kaplan == pytest.approx(0.003239 - 0.0001395 * math.log(3072))


def test_a_rule_for_the_batch_gives_whole_contexts_and_is_part_of_the_identity(make_plan):
    rule = "budget.batch_tokens={{rule: power, value: 64, n_exponent: 0, d_exponent: 1, n_params: 1, n_tokens: {at}}}"
    plan = make_plan(rule.format(at=800))
    assert (plan.batch_tokens, plan.batch_seqs, plan.n_steps, plan.n_tokens) == (64, 2, 10, 640)  # 51.2 before rounding
    assert make_plan(rule.format(at=1e6)).batch_tokens == 32
    same_numbers = make_plan("budget.batch_tokens=64")
    assert same_numbers.n_steps == plan.n_steps
    assert same_numbers.fingerprint != plan.fingerprint


def test_a_rule_may_be_taken_at_a_horizon_of_its_own(make_plan):
    rule = "optim.lr={{rule: steplaw2025{more}}}"
    own, fixed = make_plan(rule.format(more="")), make_plan(rule.format(more=", horizon: 6400"))
    assert fixed.learning_rate / own.learning_rate == pytest.approx(10**0.307)


def test_schedule_of_a_plan(make_plan):
    plan = make_plan("schedule.warmup.amount=0.1", "optim.lr=0.01")
    assert [plan.lr_at(0), plan.lr_at(1), plan.lr_at(2)] == pytest.approx([0.005, 0.01, 0.01])
    wsd = make_plan("schedule=wsd", "schedule.cooldown_fraction=0.5", "schedule.shape=linear", "optim.lr=0.01")
    assert wsd.lr_at(9) == 0.01
    assert wsd.lr_at(15) == pytest.approx(0.005)


def test_a_stack_has_an_id_of_its_own(make_plan):
    runs = (make_plan(), make_plan("seed=1"))
    assert Job(runs[:1]).job_id == runs[0].run_id
    assert Job(runs).job_id.startswith("stack2-")


def test_planning_imports_no_torch():
    code = "import sys; from sweeps.planning import expand, manifest, plan_table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
