"""What a run needs stands in the plan, and what no device can hold is marked."""

import dataclasses

from scaling_harness.plan.memory import PROCESS_BYTES, run_bytes
from scaling_harness.plan.plan import Job
from sweeps.planning.plan_table import plan_rows, plan_totals, print_plan


def on_card(plan, memory_gb, **runtime):
    given = dataclasses.replace(plan.config.runtime, device="cuda", memory_gb=memory_gb, **runtime)
    return dataclasses.replace(plan, config=dataclasses.replace(plan.config, runtime=given))


def test_a_run_that_no_device_holds_is_marked_with_what_it_needs(make_plan, capsys):
    plan = dataclasses.replace(make_plan(), params={"mlp": 4_000_000_000})
    needs_gb = (PROCESS_BYTES + run_bytes(on_card(plan, None), 1)) / 1e9
    there = [needs_gb * factor for factor in (0.9, 1.1)]
    rows = plan_rows([Job((on_card(plan, gb),)) for gb in there], {})
    assert [row["lacking_bytes"] for row in rows] == [needs_gb * 1e9, None]
    print_plan(rows, plan_totals(rows, 1))
    said = capsys.readouterr().out
    assert said.count(f"needs {needs_gb:,.0f} GB") == 1
    assert "1 of them do not fit in the memory of a worker" in said


def test_processes_that_share_the_moments_need_less_each(make_plan):
    plan = dataclasses.replace(make_plan(), params={"mlp": 4_000_000_000})
    alone, eight = (
        plan_rows([Job((on_card(plan, 80.0, shard_optimizer=True),))], {}, n_processes=n)[0] for n in (1, 8)
    )
    assert alone["lacking_bytes"]
    assert eight["lacking_bytes"] is None
