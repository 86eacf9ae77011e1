"""The same search effort for each size, horizon, architecture and data set of a sweep; its trials are ordinary runs."""

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
from sweeps.tuning.pattern_search import Axis, Found, proposals

TUNABLE = ("optim.", "schedule.", "budget.batch_tokens")
"""What may be searched: settings that change neither the size nor the tokens of a run."""


@dataclass(frozen=True)
class Group:
    """Runs of a sweep that differ in their seed alone: what is tuned as one."""

    plans: tuple[Plan, ...]

    @property
    def plan(self) -> Plan:
        """The first of them."""
        return self.plans[0]

    def with_settings(self, settings: Mapping[str, float]) -> tuple[Plan, ...]:
        """The same runs with other settings."""
        return tuple(_changed(plan, settings) for plan in self.plans)


@dataclass(frozen=True)
class Tuned:
    """A group, what its search found, and the runs of each trial."""

    group: Group
    found: Found
    runs: Mapping[tuple[float, ...], tuple[str, ...]]

    def to_dict(self) -> dict[str, Any]:
        """JSON form: losses that are not finite are None."""
        model, plan = self.group.plan.config.model, self.group.plan
        trials = [
            {**_trial(trial.settings, trial.loss), "runs": list(self.runs[tuple(trial.settings.values())])}
            for trial in self.found.trials
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
            "best": _trial(self.found.best.settings, self.found.best.loss),
            "bracketed": dict(self.found.bracketed),
            "trials": trials,
        }


def _trial(settings: Mapping[str, float], loss: float) -> dict[str, Any]:
    return {"settings": dict(settings), "loss_nats": loss if math.isfinite(loss) else None}


def groups_of(plans: Iterable[Plan]) -> tuple[Group, ...]:
    """Group the runs of a sweep by everything but their seed; trunks, whose losses nobody asked for, left out."""
    alike: dict[str, list[Plan]] = {}
    for plan in (plan for plan in plans if not plan.branches):
        alike.setdefault(_key(plan.config), []).append(plan)
    return tuple(Group(tuple(members)) for members in alike.values())


def _key(config: RunConfig) -> str:
    return json.dumps({**science_fields(config), "seed": None}, sort_keys=True)


def fields_named(names: Sequence[str], groups: Sequence[Group]) -> tuple[str, ...]:
    """The science fields that names, or unambiguous beginnings of them, stand for.

    Parameters
    ----------
    names : sequence of str
        Such as `optim.lr` or `budget.batch`.
    groups : sequence of Group
        What they are to be tuned for.

    Returns
    -------
    tuple of str

    Raises
    ------
    UserError
        A name is unknown or ambiguous, its value is no positive number, or the sweep varies it already.
    """
    return tuple(dict.fromkeys(_field_named(name, groups) for name in names))


def _field_named(name: str, groups: Sequence[Group]) -> str:
    values = [_values(science_fields(group.plan.config)) for group in groups]
    tunable = [field for field in values[0] if field.startswith(TUNABLE)]
    found = [field for field in tunable if field == name] or [field for field in tunable if field.startswith(name)]
    if len(found) != 1:
        what = f"may be any of {', '.join(found)}" if found else f"is none of {', '.join(tunable)}"
        raise UserError(f"--over {name} {what}")
    field = found[0]
    if len({json.dumps(each[field]) for each in values}) > 1:
        raise UserError(f"the sweep varies {field} already: tune it in a sweep that does not")
    value = values[0][field]
    if isinstance(value, bool | str) or value is None:
        raise UserError(f"--over {field}: {value!r} is not a number, which a search by factors of two needs")
    if value == 0:
        raise UserError(f"--over {field}: it is 0, which no factor changes; give it a value to start from, {field}=...")
    return field


def _values(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted fields; a rule is a value."""
    found = {}
    for key, value in document.items():
        if isinstance(value, Mapping) and "rule" not in value:
            found |= _values(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def tune(
    groups: Sequence[Group],
    fields: Sequence[str],
    trials: int,
    train: Callable[[Sequence[Plan]], None],
    store: Store,
) -> tuple[Tuned, ...]:
    """Search every group with the same number of trials, round by round, all groups' runs of a round together.

    Parameters
    ----------
    groups : sequence of Group
        Of `groups_of`.
    fields : sequence of str
        Of `fields_named`.
    trials : int
        Settings tried a group, the default included. A trial trains every run of the group; its loss is their
        geometric mean, inf where one diverged.
    train : callable
        Trains runs until all of them have records.
    store : Store
        Where the records are.

    Returns
    -------
    tuple of Tuned

    Raises
    ------
    HarnessError
        A run failed, or no trial of a group converged.
    """
    searches = [proposals([_axis(group, field) for field in fields], trials) for group in groups]
    wanted, found = {i: next(search) for i, search in enumerate(searches)}, {}
    runs: list[dict[tuple[float, ...], tuple[str, ...]]] = [{} for _ in groups]
    while wanted:
        plans = {i: [groups[i].with_settings(settings) for settings in todo] for i, todo in wanted.items()}
        train([plan for made in plans.values() for trial in made for plan in trial])
        for i, made in plans.items():
            for settings, trial in zip(wanted[i], made, strict=True):
                runs[i][tuple(settings.values())] = tuple(plan.run_id for plan in trial)
            try:
                wanted[i] = searches[i].send([_loss(trial, store) for trial in made])
            except StopIteration as end:
                found[i] = end.value
                del wanted[i]
    return tuple(_checked(Tuned(group, found[i], runs[i])) for i, group in enumerate(groups))


def _checked(tuned: Tuned) -> Tuned:
    if math.isinf(tuned.found.best.loss):
        raise HarnessError(
            f"{tuned.group.plan.name}: none of {len(tuned.found.trials)} trials converged; start from a smaller rate"
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
