"""Plan runs that share their first steps as branches of one trunk, whose steps are trained once.

With the schedule `wsd` the learning rate is constant until the decay (Hägele et al. 2024), or falls as a power of the
tokens (Shen et al. 2024), so one run without decay, the trunk, serves all budgets of a shape and seed; each budget adds
its decay as a job of its own. With the schedule `branched` a branch goes on with another batch and rate than its trunk
(Merrill et al. 2025).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from scaling_harness.config.schema import (
    BranchedSchedule,
    ConstantSchedule,
    NamedRule,
    PowerRule,
    RunConfig,
    TokensBudget,
    WsdSchedule,
)
from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Plan, fall_exponent_of

_Setting = TypeVar("_Setting")


def share_trunk(configs: Sequence[RunConfig], resolve: Callable[[RunConfig], Plan]) -> list[Plan]:
    """Plan a trunk and its branches.

    Rules for the learning rate and the batch cannot follow each budget: their horizon is the geometric mean of the
    budgets, in tokens, unless they set one themselves, or the rate falls with the tokens.

    Parameters
    ----------
    configs : sequence of RunConfig
        Runs that differ only in budget.
    resolve : callable
        See `plan.resolve`.

    Returns
    -------
    list of Plan
        The trunk, then a branch for each budget. A branch has the fingerprint of the same run without a trunk.

    Raises
    ------
    UserError
        The schedule does not allow a trunk, or a budget leaves no steps to share.
    """
    for config in configs:
        _check(config)
    logs = [math.log(resolve(config).n_tokens) for config in configs]
    horizon = float(round(math.exp(math.fsum(logs) / len(logs))))
    branches = {
        plan.fingerprint: plan for plan in (resolve(_fix_horizons(config, horizon)) for config in configs)
    }.values()
    for plan in branches:
        if not 0 < plan.decay_start < plan.n_steps:
            raise UserError(
                f"sweep.grids.trunk: {plan.run_id} decays from step {plan.decay_start} of {plan.n_steps}, so it has no "
                "steps to share with a trunk, or no decay; change schedule.cooldown_fraction, or leave trunk out"
            )
    longest = max(branches, key=lambda plan: plan.decay_start)
    leave = tuple(sorted((plan.trunk_steps, plan.run_id) for plan in branches))
    trunk = dataclasses.replace(resolve(_trunk(longest)), branches=leave)
    return [trunk, *(dataclasses.replace(plan, trunk=trunk.run_id) for plan in branches)]


def resolve_alone(configs: Sequence[RunConfig], resolve: Callable[[RunConfig], Plan]) -> list[Plan]:
    """Plan runs that take all their steps themselves.

    Raises
    ------
    UserError
        The schedule needs a trunk.
    """
    if any(isinstance(config.schedule, BranchedSchedule) for config in configs):
        raise UserError("a run of the schedule branched starts from another run's state: set trunk: true in its grid")
    return [resolve(config) for config in configs]


def merge_duplicates(plan: Plan, known: Plan | None) -> Plan:
    """Merge two plans of one run from several grids: all its branches, and its trunk if either has one."""
    if known is None:
        return plan
    branches = tuple(sorted({*plan.branches, *known.branches}))
    return dataclasses.replace(known, branches=branches, trunk=known.trunk or plan.trunk)


def _check(config: RunConfig) -> None:
    schedule = config.schedule
    if isinstance(schedule, BranchedSchedule):
        return
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


def _fix_horizons(config: RunConfig, horizon: float) -> RunConfig:
    """Give the rules for learning rate and batch the same horizon for all budgets."""
    falls = fall_exponent_of(config.schedule) > 0
    lr = config.optim.lr if falls else _fix_horizon(config.optim.lr, horizon)
    batch = _fix_horizon(config.budget.batch_tokens, horizon)
    optim, budget = dataclasses.replace(config.optim, lr=lr), dataclasses.replace(config.budget, batch_tokens=batch)
    return dataclasses.replace(config, optim=optim, budget=budget)


def _fix_horizon(setting: _Setting, horizon: float) -> _Setting:
    if isinstance(setting, NamedRule | PowerRule) and setting.horizon is None:
        return dataclasses.replace(setting, horizon=horizon)
    return setting


def _trunk(longest: Plan) -> RunConfig:
    config = longest.config
    if isinstance(before := config.schedule, BranchedSchedule):
        return dataclasses.replace(
            config,
            schedule=ConstantSchedule(before.warmup),
            budget=TokensBudget(batch_tokens=before.start_batch_tokens, n_tokens=before.start_tokens),
            optim=dataclasses.replace(config.optim, lr=before.start_lr),
        )
    n_tokens = longest.decay_start * longest.batch_tokens
    budget = TokensBudget(batch_tokens=config.budget.batch_tokens, n_tokens=n_tokens)
    schedule = ConstantSchedule(config.schedule.warmup, fall_exponent_of(config.schedule))
    return dataclasses.replace(config, schedule=schedule, budget=budget)
