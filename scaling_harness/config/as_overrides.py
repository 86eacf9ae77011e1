"""A configuration as its differences from the YAML files: the overrides, or a sweep's file, that make it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_core import to_jsonable_python

from scaling_harness.config.compose import CONF_DIR, compose, plain, quoted, run_config
from scaling_harness.config.schema import RunConfig

GROUPS = ("model", "data", "optim", "schedule", "budget")
"""Groups whose file is chosen: that which differs least."""
PARTS = (*GROUPS, "evaluation", "seed")
_TO_BE_GIVEN: Mapping[str, Mapping[str, Any]] = {"shards": {"path": "???"}}
"""What a file leaves open by null, where its schema asks for one of several settings."""
_WORD = re.compile(r"[A-Za-z_][\w./-]*")
_SAID_OTHERWISE = {"null", "true", "false", "nan", "inf", "yes", "no", "on", "off"}


@dataclass(frozen=True)
class Differences:
    """What to change in the default configuration of one run.

    Attributes
    ----------
    options : mapping of str to str
        Group -> its file, for the groups that do not have the default one.
    settings : mapping of str to object
        Dotted key -> value.
    """

    options: Mapping[str, str]
    settings: Mapping[str, Any]

    def overrides(self) -> list[str]:
        """The words that `scaling-harness train` takes."""
        chosen = [f"{group}={option}" for group, option in self.options.items()]
        return chosen + [override(key, value) for key, value in self.settings.items()]

    def document(self) -> dict[str, Any]:
        """The keys that a file of `conf/sweep` has, without its sweep."""
        nested: dict[str, Any] = {}
        if self.options:
            nested["defaults"] = [{f"override /{group}": option} for group, option in self.options.items()]
        for key, value in self.settings.items():
            *path, last = key.split(".")
            at = nested
            for name in path:
                at = at.setdefault(name, {})
            at[last] = value
        return nested


def differences(config: RunConfig) -> Differences:
    """Compare a configuration with the files of `conf`.

    Parameters
    ----------
    config : RunConfig
        Of one run; `runtime` and `wandb` are not compared.

    Returns
    -------
    Differences
    """
    options: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for part, wanted in _parts(config).items():
        option, changed = _nearest(part, wanted) if part in GROUPS else (None, _changed(wanted, _default()[part], part))
        if option:
            options[part] = option
        settings |= dict(changed)
    return Differences(options, settings)


def override(key: str, value: Any) -> str:
    """Write a value, or a rule, as the override that sets it."""
    return f"{key}={_written(value)}"


def _nearest(group: str, wanted: Any) -> tuple[str | None, list[tuple[str, Any]]]:
    """The file of a group that differs least, None for the default, and what differs."""
    candidates = {None: _default()[group], **_files(group)}
    changed = {option: list(_changed(wanted, has, group)) for option, has in candidates.items()}
    return min(changed.items(), key=lambda item: len(item[1]))


def _changed(wanted: Any, has: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; a mapping with other keys is given whole."""
    if isinstance(wanted, Mapping) and isinstance(has, Mapping) and (set(wanted) == set(has) or key in PARTS):
        for name in sorted({*wanted, *has}, key=[*wanted, *has].index):
            yield from _changed(wanted.get(name), has.get(name), f"{key}.{name}")
    elif wanted != has:
        yield key, _without_nulls(wanted)


@cache
def default_config() -> RunConfig:
    """The configuration of one run without overrides."""
    return run_config(compose([]))


@cache
def _default() -> dict[str, Any]:
    return _parts(default_config())


@cache
def _files(group: str) -> dict[str, Any]:
    """Every file of a group as a run has it, complete by the schema."""
    from omegaconf import OmegaConf

    found = {}
    for path in sorted((CONF_DIR / group).glob("*.yaml")):
        document = {**plain(OmegaConf.to_container(OmegaConf.load(path))), **_TO_BE_GIVEN.get(path.stem, {})}
        found[path.stem] = _parts(run_config({**to_jsonable_python(default_config()), group: document}))[group]
    return found


def _parts(config: RunConfig) -> dict[str, Any]:
    return {name: value for name, value in to_jsonable_python(config).items() if name in PARTS}


def _without_nulls(value: Any) -> Any:
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) and value.lower() not in _SAID_OTHERWISE else quoted(value)
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )
