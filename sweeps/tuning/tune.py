"""Tune each size, horizon, architecture and data set of a sweep with the same effort; trials are ordinary runs."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from scaling_harness.config.compose import run_config
from scaling_harness.config.schema import RunConfig
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.plan.plan import Plan, resolve
from scaling_harness.record.store import Store
from sweeps.planning.expand import science_fields
from sweeps.tuning.pattern_search import Axis, SearchResult, proposals

TUNABLE = ("optim.", "schedule.", "budget.batch_tokens")
"""Fields that may be searched: settings that change neither the size nor the tokens of a run."""


@dataclass(frozen=True)
class Group:
    """Runs of a sweep that differ only in their seed and are tuned together."""

    plans: tuple[Plan, ...]

    @property
    def plan(self) -> Plan:
        """Plan of the first run."""
        return self.plans[0]

    def with_settings(self, settings: Mapping[str, float]) -> tuple[Plan, ...]:
        """Plan the same runs with other settings."""
        return tuple(_changed(plan, settings) for plan in self.plans)


@dataclass(frozen=True)
class Tuned:
    """A group, the result of its search, and the runs of each trial."""

    group: Group
    result: SearchResult
    runs: Mapping[tuple[float, ...], tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, in which losses that are not finite are None."""
        model, plan = self.group.plan.config.model, self.group.plan
        trials = [
            {**_trial(trial.settings, trial.loss), "runs": list(self.runs[tuple(trial.settings.values())])}
            for trial in self.result.trials
        ]
        return {
            "architecture": model.target or model.parametrisation,
            "n_layer": model.n_layer,
            "d_model": model.d_model,
            "n_params_with_head": plan.n_params["with_head"],
            "n_tokens": plan.n_tokens,
            "data": plan.data.label,
            "n_trials": len(trials),
            "n_runs": sum(len(trial["runs"]) for trial in trials),
            "default": trials[0],
            "best": _trial(self.result.best.settings, self.result.best.loss),
            "bracketed": dict(self.result.bracketed),
            "trials": trials,
        }


def _trial(settings: Mapping[str, float], loss: float) -> dict[str, Any]:
    return {"settings": dict(settings), "loss_nats": loss if math.isfinite(loss) else None}


def groups_of(plans: Iterable[Plan]) -> tuple[Group, ...]:
    """Group the runs of a sweep by everything but their seed; trunks are left out, as their losses are not compared."""
    alike: dict[str, list[Plan]] = {}
    for plan in (plan for plan in plans if not plan.branches):
        alike.setdefault(_key(plan.config), []).append(plan)
    return tuple(Group(tuple(members)) for members in alike.values())


def _key(config: RunConfig) -> str:
    return json.dumps({**science_fields(config), "seed": None}, sort_keys=True)


def fields_named(names: Sequence[str], groups: Sequence[Group]) -> tuple[str, ...]:
    """Find the science fields that names, or unambiguous prefixes of them, stand for.

    Parameters
    ----------
    names : sequence of str
        Names such as `optim.lr` or `budget.batch`.
    groups : sequence of Group
        Groups to tune.

    Returns
    -------
    tuple of str

    Raises
    ------
    UserError
        A name is unknown or ambiguous, its value is not a positive number, or the sweep varies it already.
    """
    return tuple(dict.fromkeys(_field_named(name, groups) for name in names))


def _field_named(name: str, groups: Sequence[Group]) -> str:
    values = [_values(science_fields(group.plan.config)) for group in groups]
    tunable = [field for field in values[0] if field.startswith(TUNABLE)]
    matches = [field for field in tunable if field == name] or [field for field in tunable if field.startswith(name)]
    if len(matches) != 1:
        what = f"may be any of {', '.join(matches)}" if matches else f"is none of {', '.join(tunable)}"
        raise UserError(f"--over {name} {what}")
    field = matches[0]
    if len({json.dumps(each[field]) for each in values}) > 1:
        raise UserError(f"the sweep varies {field} already: tune it in a sweep that does not")
    value = values[0][field]
    if isinstance(value, bool | str) or value is None:
        raise UserError(f"--over {field}: {value!r} is not a number, which a search by factors of two needs")
    if value == 0:
        raise UserError(f"--over {field}: it is 0, which no factor changes; set a value to start from with {field}=...")
    return field


def _values(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a document into dotted fields; a rule counts as a value."""
    fields = {}
    for key, value in document.items():
        if isinstance(value, Mapping) and "rule" not in value:
            fields |= _values(value, f"{prefix}{key}.")
        else:
            fields[f"{prefix}{key}"] = value
    return fields


def tune(
    groups: Sequence[Group],
    fields: Sequence[str],
    trials: int,
    train: Callable[[Sequence[Plan]], None],
    store: Store,
) -> tuple[Tuned, ...]:
    """Search every group with the same number of trials; each round trains the runs of all groups together.

    Parameters
    ----------
    groups : sequence of Group
        Result of `groups_of`.
    fields : sequence of str
        Result of `fields_named`.
    trials : int
        Number of settings tried per group, including the default. A trial trains every run of the group; its loss is
        the geometric mean of theirs, inf if one diverged.
    train : callable
        Trains runs until all of them have records.
    store : Store
        Where the records are stored.

    Returns
    -------
    tuple of Tuned

    Raises
    ------
    HarnessError
        A run failed, or no trial of a group converged.
    """
    searches = [proposals([_axis(group, field) for field in fields], trials) for group in groups]
    wanted, results = {i: next(search) for i, search in enumerate(searches)}, {}
    runs: list[dict[tuple[float, ...], tuple[str, ...]]] = [{} for _ in groups]
    while wanted:
        planned = {i: [groups[i].with_settings(settings) for settings in points] for i, points in wanted.items()}
        train([plan for trials_of_group in planned.values() for trial in trials_of_group for plan in trial])
        for i, trials_of_group in planned.items():
            for settings, trial in zip(wanted[i], trials_of_group, strict=True):
                runs[i][tuple(settings.values())] = tuple(plan.run_id for plan in trial)
            try:
                wanted[i] = searches[i].send([_loss(trial, store) for trial in trials_of_group])
            except StopIteration as end:
                results[i] = end.value
                del wanted[i]
    return tuple(_checked(Tuned(group, results[i], runs[i])) for i, group in enumerate(groups))


def _checked(tuned: Tuned) -> Tuned:
    if math.isinf(tuned.result.best.loss):
        raise HarnessError(
            f"{tuned.group.plan.name}: none of {len(tuned.result.trials)} trials converged; start from a smaller "
            "learning rate"
        )
    return tuned


def _loss(trial: Sequence[Plan], store: Store) -> float:
    records = [store.read(plan.run_id) for plan in trial]
    for record in records:
        if record.status == "failed":
            raise HarnessError(f"a trial failed: {record.run_id}: {record.reason}")
    if any(record.status != "completed" for record in records):
        return math.inf
    return math.exp(sum(math.log(record.losses["valid"].loss_nats) for record in records) / len(records))


def _axis(group: Group, field: str) -> Axis:
    plan = group.plan
    resolved = {"optim.lr": plan.learning_rate, "budget.batch_tokens": plan.batch_tokens}
    start = resolved.get(field) or _values(science_fields(plan.config))[field]
    unit = plan.config.model.n_ctx if field == "budget.batch_tokens" else 1

    def nearest(value: float) -> float | None:
        wanted = max(1, round(value / unit)) * unit if isinstance(start, int) else float(f"{value:.4g}")
        try:
            group.with_settings({field: wanted})
        except UserError:
            return None
        return wanted

    return Axis(field, start, nearest)


def _changed(plan: Plan, settings: Mapping[str, float]) -> Plan:
    document = to_jsonable_python(plan.config)
    for field, value in settings.items():
        *path, last = field.split(".")
        part = document
        for key in path:
            part = part[key]
        part[last] = value
    return resolve(run_config(document), plan.data)
