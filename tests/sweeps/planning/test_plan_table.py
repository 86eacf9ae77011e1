"""What a run needs stands in the plan, and what no device can hold is marked."""

import dataclasses

import pytest

from scaling_harness.plan.memory import PROCESS_BYTES, run_bytes
from scaling_harness.plan.plan import Job
from sweeps.planning.plan_table import plan_rows, plan_totals, print_plan
from sweeps.planning.time_estimate import evaluated_tokens, job_seconds


def on_card(plan, memory_gb, **runtime):
    given = dataclasses.replace(plan.config.runtime, device="cuda", memory_gb=memory_gb, **runtime)
    return dataclasses.replace(plan, config=dataclasses.replace(plan.config, runtime=given))


def test_a_run_that_no_device_holds_is_marked_with_what_it_needs(make_plan, capsys):
    plan = dataclasses.replace(make_plan("budget.batch_tokens=640"), params={"mlp": 4_000_000_000})
    needs_gb = (PROCESS_BYTES + run_bytes(on_card(plan, None), 1)) / 1e9
    there = [needs_gb * factor for factor in (0.9, 1.1)]
    rows = plan_rows([Job((on_card(plan, gb),)) for gb in there], {})
    assert [row["lacking_bytes"] for row in rows] == [needs_gb * 1e9, None]
    print_plan(rows, plan_totals(rows, 1))
    said = capsys.readouterr().out
    assert said.count(f"needs {needs_gb:,.0f} GB") == 1
    assert "1 of them do not fit in the memory of a worker" in said
    assert "at best" not in said


def test_what_no_number_of_gpus_holds_is_told_apart(make_plan, capsys):
    """Parameters and gradients, 8 bytes of each parameter, are on every process."""
    sizes = (4_000_000_000, 11_000_000_000)
    plan = make_plan("budget.batch_tokens=640")  # 20 contexts, and so as many GPUs
    could, never = (on_card(dataclasses.replace(plan, params={"mlp": n}), 80.0) for n in sizes)
    rows = plan_rows([Job((could,)), Job((never,))], {})
    assert [row["lacking_at_best_bytes"] is None for row in rows] == [True, False]
    print_plan(rows, plan_totals(rows, 1))
    said = capsys.readouterr().out
    assert "2 of them do not fit" in said
    assert said.count("GB at best\n") == 1
    assert "1 of these fit with no settings" in said


def test_only_settings_that_are_not_made_are_advised(make_plan, capsys):
    plan = dataclasses.replace(make_plan("budget.batch_tokens=640"), params={"mlp": 8_000_000_000})
    made = on_card(plan, 80.0, shard_optimizer=True, recompute_activations=True)
    rows = [row for n in (1, 2) for row in plan_rows([Job((made,))], {}, n_processes=n)]
    print_plan(rows, plan_totals(rows, 1))
    said = capsys.readouterr().out
    assert "less is needed with several GPUs a run (launcher.gpus_per_run" in said
    assert "or with more than 2 GPUs a run" in said
    assert "runtime.recompute_activations" not in said
    assert "runtime.shard_optimizer" not in said
    (row,) = plan_rows([Job((on_card(plan, 80.0),))], {})
    assert row["remedies"][0] == "runtime.recompute_activations=true"
    assert row["remedies"][1].startswith("runtime.shard_optimizer=true on several GPUs a run")
    (row,) = plan_rows([Job((on_card(plan, 80.0),))], {}, n_processes=8)
    assert row["remedies"][1] == "runtime.shard_optimizer=true"


def test_a_micro_batch_that_does_not_fit_is_marked(make_plan):
    plan = make_plan("budget.batch_tokens=32768", "budget.n_tokens=32768", "data.max_epochs=100")
    there = (PROCESS_BYTES + 1.5 * run_bytes(on_card(plan, None), 1)) / 1e9
    left, given = (plan_rows([Job((on_card(plan, there, micro_batch=n),))], {})[0] for n in (None, 1024))
    assert left["lacking_bytes"] is None
    assert given["lacking_bytes"] == PROCESS_BYTES + run_bytes(on_card(plan, there), 1024)
    assert given["remedies"][0] == "a smaller runtime.micro_batch"


def test_processes_that_share_the_moments_need_less_each(make_plan):
    plan = dataclasses.replace(make_plan(), params={"mlp": 4_000_000_000})
    alone, eight = (
        plan_rows([Job((on_card(plan, 80.0, shard_optimizer=True),))], {}, n_processes=n)[0] for n in (1, 8)
    )
    assert alone["lacking_bytes"]
    assert eight["lacking_bytes"] is None


def test_a_gpu_is_costed_by_its_rate_with_the_forward_passes_of_evaluations(make_plan, capsys):
    plan = make_plan()
    job = Job((plan,))
    n_points, evaluation = len(plan.eval_steps), plan.config.evaluation
    assert evaluated_tokens(plan) == n_points * evaluation.n_tokens + evaluation.final_n_tokens  # no test text
    forward = 2 * plan.n_params["with_head"] * evaluated_tokens(plan)
    (row,) = plan_rows([job], {}, flops_per_s=(job.train_flops + forward) / 7200)
    assert row["estimated_s"] == pytest.approx(7200)
    totals = plan_totals([row], 1)
    totals |= {"gpu": {"hours_left": 2.0, "utilisation": 0.4, "card": "H100"}, "most_disk_bytes": 3e9}
    print_plan([row], totals)
    said = capsys.readouterr().out
    assert "about 2 GPU hours at 40% of the peak of H100, with evaluations" in said
    assert "disk: at most 3.00 GB while it trains" in said


def test_the_gpus_of_a_run_divide_its_training_and_not_its_evaluations(make_plan):
    """The first process evaluates while the others wait."""
    plan = make_plan()
    job = Job((plan,))
    forward = 2 * plan.n_params["with_head"] * evaluated_tokens(plan)
    (row,) = plan_rows([job], {}, n_processes=4, flops_per_s=1e9)
    assert row["estimated_s"] == pytest.approx((job.train_flops / 4 + forward) / 1e9)
    (row,) = plan_rows([job], {}, n_processes=4)
    assert row["estimated_s"] == pytest.approx(job_seconds(job, n_processes=4))
    assert row["estimated_s"] < job_seconds(job)
