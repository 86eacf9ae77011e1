"""Runs that differ in their budget alone, as branches of one trunk: its steps are trained once. No torch.

A run of the schedule `wsd` is a run of constant rate until its decay (Hägele et al. 2024), so one run of constant rate,
the trunk, serves all budgets of a shape and seed; each adds its decay, in a job of its own.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from scaling_harness.config.schema import ConstantSchedule, NamedRule, PowerRule, RunConfig, TokensBudget, WsdSchedule
from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Plan

_Setting = TypeVar("_Setting")


def share_trunk(configs: Sequence[RunConfig], resolve: Callable[[RunConfig], Plan]) -> list[Plan]:
    """Plan a trunk and its branches.

    Rules for the learning rate and the batch cannot follow each budget: they take the geometric mean of the budgets, in
    tokens, for their horizon, unless they have one of their own.

    Parameters
    ----------
    configs : sequence of RunConfig
        They differ in their budget.
    resolve : callable
        See `plan.resolve`.

    Returns
    -------
    list of Plan
        The trunk, then a branch for each budget. A branch is the run that it would be alone, also by its fingerprint.

    Raises
    ------
    UserError
        The schedule is not one that a trunk can serve, or a budget leaves nothing to share.
    """
    for config in configs:
        _check(config)
    logs = [math.log(resolve(config).n_tokens) for config in configs]
    horizon = float(round(math.exp(math.fsum(logs) / len(logs))))
    branches = {plan.fingerprint: plan for plan in (resolve(_at(config, horizon)) for config in configs)}.values()
    for plan in branches:
        if not 0 < plan.decay_start < plan.n_steps:
            raise UserError(
                f"sweep.grids.trunk: {plan.run_id} decays from step {plan.decay_start} of {plan.n_steps}, so it has "
                "nothing to share with a trunk or no decay; change schedule.cooldown_fraction, or leave trunk out"
            )
    longest = max(branches, key=lambda plan: plan.decay_start)
    leave = tuple(sorted((plan.decay_start, plan.run_id) for plan in branches))
    trunk = dataclasses.replace(resolve(_trunk(longest)), branches=leave)
    return [trunk, *(dataclasses.replace(plan, trunk=trunk.run_id) for plan in branches)]


def connected(plan: Plan, known: Plan | None) -> Plan:
    """A run that several grids want, with all its branches, and with a trunk where one of them gives it one."""
    if known is None:
        return plan
    branches = tuple(sorted({*plan.branches, *known.branches}))
    return dataclasses.replace(known, branches=branches, trunk=known.trunk or plan.trunk)


def _check(config: RunConfig) -> None:
    schedule = config.schedule
    if not isinstance(schedule, WsdSchedule):
        raise UserError(
            f"sweep.grids.trunk: the schedule {schedule.kind} has no steps before its decay that other budgets could "
            "share; set schedule=wsd, or leave trunk out"
        )
    if schedule.warmup.unit == "fraction":
        raise UserError(
            "sweep.grids.trunk: a warm-up that is a fraction of the run differs between budgets; give it in steps or "
            "tokens, such as schedule.warmup={unit: tokens, amount: 20000}"
        )


def _at(config: RunConfig, horizon: float) -> RunConfig:
    """The configuration with rules that hold for all budgets."""
    lr, batch = _held(config.optim.lr, horizon), _held(config.budget.batch_tokens, horizon)
    optim, budget = dataclasses.replace(config.optim, lr=lr), dataclasses.replace(config.budget, batch_tokens=batch)
    return dataclasses.replace(config, optim=optim, budget=budget)


def _held(setting: _Setting, horizon: float) -> _Setting:
    if isinstance(setting, NamedRule | PowerRule) and setting.horizon is None:
        return dataclasses.replace(setting, horizon=horizon)
    return setting


def _trunk(longest: Plan) -> RunConfig:
    config = longest.config
    n_tokens = longest.decay_start * longest.batch_tokens
    budget = TokensBudget(batch_tokens=config.budget.batch_tokens, n_tokens=n_tokens)
    return dataclasses.replace(config, schedule=ConstantSchedule(config.schedule.warmup), budget=budget)
