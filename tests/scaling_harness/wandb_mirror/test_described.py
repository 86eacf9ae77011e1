import dataclasses

from scaling_harness.wandb_mirror.described import describe_plan, describe_record, summary_of


def test_a_run_is_described_alike_before_and_after_it_is_trained(finished):
    plan, store = finished
    assert describe_plan(plan) == describe_record(store.read(plan.run_id), is_trunk=False)


def test_config_and_summary_hold_every_count_and_what_rules_came_to(finished):
    plan, store = finished
    record = store.read(plan.run_id)
    summary = summary_of(record, is_trunk=False)
    for held in (describe_plan(plan).config, summary):
        assert {name: held[f"n_params_{name}"] for name in plan.n_params} == plan.n_params
        assert held["n_params_stored"] == sum(plan.params.values())
        assert {name: held[f"train_flops_{name}"] for name in plan.train_flops} == plan.train_flops
        assert (held["n_tokens"], held["batch_tokens"]) == (plan.n_tokens, plan.batch_tokens)
        assert held["learning_rate"] == plan.learning_rate
    assert summary["loss_nats"] == record.losses["valid"].loss_nats
    assert summary["train_loss_nats"] == record.train_loss_nats


def test_a_failed_run_says_why_and_has_no_loss(finished):
    plan, store = finished
    record = dataclasses.replace(store.read(plan.run_id), status="failed", reason="no memory", losses={})
    summary = summary_of(record, is_trunk=False)
    assert (summary["status"], summary["reason"]) == ("failed", "no memory")
    assert "loss_nats" not in summary
