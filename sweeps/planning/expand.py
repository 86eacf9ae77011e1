"""Expand a sweep described as data into the jobs that would train it."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic_core import to_jsonable_python

from scaling_harness.config.compose import run_config
from scaling_harness.config.schema import DataConfig, RunConfig, TextData
from scaling_harness.data.prepare import prepare
from scaling_harness.data.source_info import PreparedData
from scaling_harness.data.token_cache import DataInfo
from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Job, Plan, resolve
from scaling_harness.plan.sized_run import vocab_size_of
from sweeps.compose import sweep_config
from sweeps.config import FlopsAxis, Grid, TokensAxis
from sweeps.planning.stacking import group_into_jobs
from sweeps.planning.trunks import merge_duplicates, resolve_alone, share_trunk

DataKey = tuple[DataConfig, tuple[str, ...]]
_SCIENCE = ("model", "data", "optim", "schedule", "budget", "evaluation")


def expand(document: Mapping[str, Any], *, with_text: bool = True) -> tuple[Job, ...]:
    """Plan every run of a sweep.

    Parameters
    ----------
    document : mapping
        A composed configuration with its `sweep` part.
    with_text : bool
        Whether the text is read; without it a sweep can be costed, not trained.

    Returns
    -------
    tuple of Job
        Longest first; a run that two grids share is listed once.

    Raises
    ------
    UserError
        A run could not be trained; raised before anything is trained.
    """
    sweep = sweep_config(document)
    base = {key: value for key, value in document.items() if key != "sweep"}
    plans: dict[str, Plan] = {}
    resolve_here = Resolver() if with_text else _resolve_without_text
    for grid in sweep.grids:
        for points in _points(grid, base):
            configs = [run_config(point) for point in points]
            for plan in (share_trunk if grid.trunk else resolve_alone)(configs, resolve_here):
                plans[plan.fingerprint] = merge_duplicates(plan, plans.get(plan.fingerprint))
    return group_into_jobs(plans.values(), sweep.stack)


def data_key(config: RunConfig) -> DataKey:
    """Return the fields that decide which tokens a run reads."""
    return config.data, config.evaluation.extra_sets


def resolve_all(
    configs: Iterable[RunConfig], prepared: Mapping[DataKey, PreparedData] = MappingProxyType({})
) -> tuple[Plan, ...]:
    """Resolve configurations, keeping one plan per fingerprint.

    Parameters
    ----------
    configs : iterable of RunConfig
        Runs.
    prepared : mapping of DataKey to PreparedData, optional
        Data sets that are prepared already; the rest are prepared here.

    Returns
    -------
    tuple of Plan

    Raises
    ------
    UserError
        See `plan.resolve` and `tokens.prepare`.
    """
    resolve_here = Resolver(prepared)
    plans: dict[str, Plan] = {}
    for config in configs:
        plan = resolve_here(config)
        plans.setdefault(plan.fingerprint, plan)
    return tuple(plans.values())


class Resolver:
    """Resolve configurations with `plan.resolve`, preparing each data set once.

    Parameters
    ----------
    prepared : mapping of DataKey to PreparedData, optional
        Data sets that are prepared already.
    """

    def __init__(self, prepared: Mapping[DataKey, PreparedData] = MappingProxyType({})) -> None:
        self._known = dict(prepared)

    def __call__(self, config: RunConfig) -> Plan:
        """Resolve a configuration; see `plan.resolve` and `tokens.prepare` for the errors."""
        key = data_key(config)
        if key not in self._known:
            self._known[key] = prepare(config.data, config.evaluation.extra_sets, Path(config.runtime.data_dir))
        return resolve(config, self._known[key])


def _resolve_without_text(config: RunConfig) -> Plan:
    """Resolve a configuration as if there were text enough, in the vocabulary of its tokenizer, in every split."""
    data, nowhere = config.data, Path()
    if not isinstance(data, TextData):
        return resolve(config, prepare(data, (), nowhere))
    info = DataInfo("", data.kind, vocab_size_of(data), 2**62, 0, nowhere, nowhere, None, 0, (), 1.0)
    splits = {"test_path": nowhere if data.test_fraction else None, "train_tokens": data.train_tokens}
    extra = dict.fromkeys(config.evaluation.extra_sets, nowhere)
    return resolve(config, dataclasses.replace(info, **splits, extra=extra))


def _points(grid: Grid, base: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Yield the runs of a grid, those that differ only in budget together."""
    for key in grid.over:
        if key.partition(".")[0] not in _SCIENCE:
            raise UserError(f"sweep.grids.over has {key!r}: only fields of {', '.join(_SCIENCE)} may vary in a sweep")
    settings = itertools.product(*([(key, value) for value in values] for key, values in grid.over.items()))
    budgets = _budgets(grid, base)
    for (n_layer, d_model), seed, setting in itertools.product(grid.shapes, grid.seeds, tuple(settings)):
        model = {**base["model"], "n_layer": n_layer, "d_model": d_model}
        yield [_set({**base, "model": model, "budget": budget, "seed": seed}, setting) for budget in budgets]


def _set(point: dict[str, Any], setting: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    for key, value in setting:
        point = _with(point, key.split("."), value)
    return point


def _budgets(grid: Grid, base: Mapping[str, Any]) -> list[dict[str, Any]]:
    batch = {"batch_tokens": base["budget"]["batch_tokens"]}
    axis = grid.budgets
    if isinstance(axis, TokensAxis):
        return [batch | {"kind": "tokens", "n_tokens": value} for value in axis.n_tokens]
    if isinstance(axis, FlopsAxis):
        return [batch | {"kind": "flops", "train_flops": C, "count": axis.count} for C in axis.train_flops]
    ratios = axis.tokens_per_param
    return [batch | {"kind": "tokens_per_param", "tokens_per_param": r, "count": axis.count} for r in ratios]


def _with(document: Any, path: list[str], value: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise UserError(f"sweep.grids.over cannot set {'.'.join(path)}: the value there has no fields")
    head, *rest = path
    return {**document, head: _with(document.get(head), rest, value) if rest else value}


def science_fields(config: RunConfig) -> dict[str, Any]:
    """Return the science fields of a run as plain data; `runtime` and `wandb` belong to the sweep and are left out."""
    return to_jsonable_python(config, exclude={"runtime", "wandb"})
