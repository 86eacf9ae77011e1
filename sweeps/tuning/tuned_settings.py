"""Write the result of `tune NAME` into the folder of the sweep NAME, and read it for a later sweep."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling_harness.config.as_overrides import override
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import parse_json, write_text
from scaling_harness.record.store import TUNED_FILE
from sweeps.tuning.tune import Tuned

TUNE_FILE = "tune.json"
"""File with the result of `tune NAME`, in the folder of the sweep."""
RULED = ("optim.lr", "budget.batch_tokens")
"""Fields that accept a rule."""
FitRule = Callable[[Sequence[tuple[float, float]], Sequence[float]], dict[str, Any]]
"""Function from the groups' (N, D) and best values to a `choice`, which is a rule, or a `reason` why there is none."""


def describe_tuned(
    name: str, fields: Sequence[str], trials: int, tuned: Sequence[Tuned], fit_rule: FitRule
) -> dict[str, Any]:
    """Describe a search: its effort, every group, and the value or rule chosen for all groups.

    Parameters
    ----------
    name : str
        Name of the sweep.
    fields : sequence of str
        Fields that were searched.
    trials : int
        Number of settings per group.
    tuned : sequence of Tuned
        Result for each group.
    fit_rule : callable
        Fits a rule in N and D to the groups' best values.

    Returns
    -------
    dict
    """
    groups = [group.to_dict() for group in tuned]
    n_runs = sum(group["n_runs"] for group in groups)
    tries = sorted({group["n_trials"] for group in groups})
    effort = (
        f"{' to '.join(map(str, tries))} trials of {', '.join(fields)} for each of {len(groups)} groups, "
        f"{n_runs} runs in all"
    )
    return {
        "name": name,
        "over": list(fields),
        "trials": trials,
        "effort": effort,
        "choices": {field: _choice(field, groups, fit_rule) for field in fields},
        "groups": groups,
    }


def _choice(field: str, groups: Sequence[Mapping[str, Any]], fit_rule: FitRule) -> dict[str, Any]:
    """Choose the value or rule for all groups, with the law behind it, or say why there is none."""
    values = [group["best"]["settings"][field] for group in groups]
    if len(set(values)) == 1:
        return {"choice": values[0]}
    if field not in RULED:
        return {"reason": f"the groups differ, and only {' and '.join(RULED)} accept a rule"}
    if len({(group["architecture"], group["data"]) for group in groups}) > 1:
        return {"reason": "a rule holds for one architecture and data set; these groups have several"}
    return fit_rule([(group["n_params_with_head"], group["n_tokens"]) for group in groups], values)


def write_tuned(sweep_dir: Path, document: Mapping[str, Any]) -> None:
    """Write the result of `describe_tuned` into the folder of the sweep."""
    write_text(sweep_dir / TUNE_FILE, json.dumps(document, allow_nan=False))


def read_tuned(runs_dir: Path, name: str) -> dict[str, Any]:
    """Read the result of a search.

    Parameters
    ----------
    runs_dir : Path
        Folder of the sweeps.
    name : str
        Name of the sweep that was tuned.

    Returns
    -------
    dict
        See `describe_tuned`.

    Raises
    ------
    UserError
        There is no such search, or its file is damaged.
    """
    path = runs_dir / name / TUNE_FILE
    try:
        return parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist: run `scaling-harness tune {name} --over optim.lr` first") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged: delete it and run `scaling-harness tune {name}` again") from error


def tuned_overrides(runs_dir: Path, name: str) -> list[str]:
    """Make the overrides that set the result of a search.

    Parameters
    ----------
    runs_dir, name
        See `read_tuned`.

    Returns
    -------
    list of str

    Raises
    ------
    UserError
        See `read_tuned`; or a field has no value or rule.
    """
    choices = read_tuned(runs_dir, name)["choices"]
    if missing := [f"{field} ({choice['reason']})" for field, choice in choices.items() if "choice" not in choice]:
        raise UserError(f"tune {name} gave no rule for {'; '.join(missing)}: set a value yourself")
    return [override(field, choice["choice"]) for field, choice in choices.items()]


def keep_effort(sweep_dir: Path, name: str) -> None:
    """Write down how much effort the settings of a new sweep were tuned with, for `fit` and `compare`.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the new sweep.
    name : str
        Name of the sweep that was tuned.
    """
    effort = {"by": name, "effort": read_tuned(sweep_dir.parent, name)["effort"]}
    write_text(sweep_dir / TUNED_FILE, json.dumps(effort))
