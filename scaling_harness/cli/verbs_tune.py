"""The verb `tune`, and how other verbs take what it found. Imports that cost time stand inside."""

import dataclasses
import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli.verbs import composed, print_rows
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import write_text

if TYPE_CHECKING:
    from scaling_harness.plan.plan import Plan
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import Manifest
    from sweeps.tuning.tune import Tuned

TUNE_FILE = "tune.json"
"""What `tune NAME` found, in the folder of the sweep."""
RULED = ("optim.lr", "budget.batch_tokens")
"""Fields that take a rule."""


def tune(options: Namespace) -> int:
    """Search settings with the same effort for each size, horizon, architecture and data set of a sweep."""
    from scaling_harness.cli.verbs_sweep import planned
    from scaling_harness.record.store import Store
    from sweeps.compose import sweep_config
    from sweeps.tuning.tune import fields_named, groups_of
    from sweeps.tuning.tune import tune as tune_groups

    if options.trials < 1:
        raise UserError(f"--trials is {options.trials}: give 1 or more")
    manifest = planned(options)
    if manifest.launcher.kind != "local":
        raise UserError("tune trains on this machine: launcher=local")
    store = Store(Path(manifest.runtime.runs_dir))
    groups = groups_of(manifest.runs)
    fields = fields_named(options.over.split(","), groups)
    stack = sweep_config(composed(options, f"sweep={options.name}")).stack
    trials = _Trials(dataclasses.replace(manifest, name=f"{manifest.name}-tune", jobs=()), stack, store)
    found = tune_groups(groups, fields, options.trials, trials.train, store)
    document = _document(options, fields, found)
    write_text(store.sweep_dir(manifest.name) / TUNE_FILE, json.dumps(document, allow_nan=False))
    _print(options, document)
    return 0


class _Trials:
    """The trials as a sweep of their own, which grows round by round."""

    def __init__(self, manifest: "Manifest", stack: int, store: "Store") -> None:
        self._manifest, self._stack, self._store = manifest, stack, store

    def train(self, plans: "Sequence[Plan]") -> None:
        from scaling_harness.cli.verbs_sweep import train_here
        from sweeps.launchers.preflight import check, start
        from sweeps.planning.expand import group
        from sweeps.planning.manifest import merge

        jobs = merge(self._manifest.jobs, group(plans, self._stack))
        self._manifest = dataclasses.replace(self._manifest, jobs=jobs)
        check(self._manifest, self._store)
        start(self._manifest, self._store)
        if train_here(self._manifest, self._store):
            raise KeyboardInterrupt


def _document(options: Namespace, fields: Sequence[str], found: "Sequence[Tuned]") -> dict[str, Any]:
    groups = [tuned.to_dict() for tuned in found]
    n_runs = sum(group["n_runs"] for group in groups)
    tries = sorted({group["n_trials"] for group in groups})
    effort = (
        f"{' to '.join(map(str, tries))} trials of {', '.join(fields)} for each of {len(groups)} groups, "
        f"{n_runs} runs in all"
    )
    choices = {field: _choice(field, groups) for field in fields}
    return {
        "name": options.name,
        "over": list(fields),
        "trials": options.trials,
        "effort": effort,
        "choices": choices,
        "groups": groups,
    }


def _choice(field: str, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The value or rule that stands for all groups, with the law it comes of, or the reason why there is none."""
    from analysis.hyperparameters.power_law_nd import power_law
    from analysis.to_json import to_json

    values = [group["best"]["settings"][field] for group in groups]
    if len(set(values)) == 1:
        return {"choice": values[0]}
    if field not in RULED:
        return {"reason": f"the groups differ, and a rule exists for {' and '.join(RULED)} alone"}
    if len({(group["architecture"], group["data"]) for group in groups}) > 1:
        return {"reason": "a rule holds for one architecture and data set; these groups have several"}
    points = [(group["n_params_with_head"], group["n_tokens"]) for group in groups]
    law = power_law(points, values)
    return {"reason": law} if isinstance(law, str) else {"choice": law.rule(), "law": to_json(law)}


def _print(options: Namespace, document: Mapping[str, Any]) -> None:
    print_rows(options, document, [_row(group) for group in document["groups"]])
    if options.json:
        return
    for field, choice in document["choices"].items():
        print(_override(field, choice["choice"]) if "choice" in choice else f"{field}: no rule: {choice['reason']}")
    print(document["effort"])


def _row(group: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        field: f"{value:.5g}" + ("" if group["bracketed"][field] else " (at the edge)")
        for field, value in group["best"]["settings"].items()
    }
    return {
        "architecture": group["architecture"],
        "data": group["data"],
        "N": group["n_params_with_head"],
        "D": group["n_tokens"],
        "trials": group["n_trials"],
        **found,
        "L": group["best"]["loss_nats"],
        "L of the default": group["default"]["loss_nats"],
    }


def _override(field: str, choice: Any) -> str:
    if isinstance(choice, Mapping):
        return f"{field}={{{', '.join(f'{key}: {value}' for key, value in choice.items())}}}"
    return f"{field}={choice}"


def tuned_overrides(options: Namespace) -> list[str]:
    """Overrides that choose what `tune` found for the sweep that `--tuned` names; none without it.

    Raises
    ------
    UserError
        There is no such search, or it came to no value or rule for a field.
    """
    if not getattr(options, "tuned", None):
        return []
    runs_dir = Path(composed(options, f"sweep={options.name}")["runtime"]["runs_dir"])
    choices = _found(runs_dir, options.tuned)["choices"]
    if missing := [f"{field} ({choice['reason']})" for field, choice in choices.items() if "choice" not in choice]:
        raise UserError(f"tune {options.tuned} gave no rule for {'; '.join(missing)}: choose one yourself")
    return [_override(field, choice["choice"]) for field, choice in choices.items()]


def keep_effort(options: Namespace, sweep_dir: Path) -> None:
    """Write beside a new sweep with how much effort its settings were tuned, for `fit` and `compare`."""
    from analysis.runs.conventions import TUNED_FILE

    if getattr(options, "tuned", None):
        effort = {"by": options.tuned, "effort": _found(sweep_dir.parent, options.tuned)["effort"]}
        write_text(sweep_dir / TUNED_FILE, json.dumps(effort))


def _found(runs_dir: Path, name: str) -> dict[str, Any]:
    path = runs_dir / name / TUNE_FILE
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: run `scaling-harness tune {name} --over optim.lr` first") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: delete it and run `scaling-harness tune {name}` again") from error
