"""Compose YAML files and overrides with Hydra, and check the result into frozen dataclasses."""

import difflib
import functools
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from scaling_harness.config.schema import RunConfig
from scaling_harness.errors import UserError

T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parents[1]
CONF_DIR = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"
"""Folder of the YAML files: beside the package in a checkout, inside it in an installed wheel."""


_NOT_OF_A_RUN = ("sweep", "launcher")
"""Parts of a composed document that describe many runs; `sweeps.compose` reads them."""
_PATHS = ("data.path", "runtime.runs_dir", "runtime.data_dir")


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> dict[str, Any]:
    """Compose the configuration.

    Parameters
    ----------
    overrides : sequence of str
        Hydra overrides, such as `model.d_model=64` or `sweep=reproduce-quick`.
    config_dir : Path, optional
        Another directory of groups, searched in addition to the built-in one.

    Returns
    -------
    dict
        Plain data, interpolations resolved.

    Raises
    ------
    UserError
        An unknown group, option or key, or an override that does not parse.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    search = [f"hydra.searchpath=[{quoted(f'file://{config_dir.resolve()}')}]"] if config_dir else []
    try:
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            composed = hydra_compose("train", overrides=[*hydra_overrides(overrides), *search])
        return plain(OmegaConf.to_container(composed, resolve=True, throw_on_missing=True))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_several_values(str(error), overrides) or sentence_of(error)) from error
    except YAMLError as error:
        raise UserError(_yaml_sentence(error)) from error
    except RecursionError as error:
        raise UserError("the defaults lists of configuration files name each other in a circle: break it") from error


def sentence_of(error: Exception) -> str:
    """Say in one line what Hydra does not like, with the nearest key to one that it does not find."""
    text = str(error)
    return _unknown_key(text) or _one_line(text)


def hydra_overrides(overrides: Sequence[str]) -> list[str]:
    """Write overrides as Hydra takes them.

    Hydra refuses a key that the files do not have, and merges a mapping into the one that is there. So free options of
    an architecture and keys that a sweep may leave out become additions (the schema refuses unknown ones), and
    `KEY={...}` or `KEY=[...]` first a null, in whose place the mapping or the list then comes. A path is quoted, as any
    character may be in it; with `--multirun` it is not, because a comma parts several there.

    Parameters
    ----------
    overrides : sequence of str
        As the user wrote them.

    Returns
    -------
    list of str
    """
    several = bool({"-m", "--multirun"} & set(overrides))
    return [written for word in overrides for written in _as_hydra_takes_it(word, several)]


def quoted(text: str) -> str:
    """Write a text so that Hydra reads every character of it as it is."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (found[2] and r"\'"), text) + "'"


def _as_hydra_takes_it(word: str, several: bool) -> tuple[str, ...]:
    key, _, value = word.partition("=")
    # A quoted null would be a file of that name.
    if key in _PATHS and value not in ("", "null") and value[0] not in "'\"" and not several:
        return (f"{key}={quoted(value)}",)
    add = "++" if key.startswith(("model.options.", "sweep.")) else ""
    if re.fullmatch(r"\w+(\.\w+)+", key) and value[:1] + value[-1:] in ("{}", "[]"):
        return (f"{add}{key}=null", f"++{word}")
    return (f"{add}{word}",)


def plain(document: Any) -> dict[str, Any]:
    """Check that a composed document is a mapping with string keys."""
    if not isinstance(document, dict):
        raise UserError(f"the configuration is a {type(document).__name__}, not a mapping")
    return {str(key): value for key, value in document.items()}


def run_config(document: Mapping[str, Any]) -> RunConfig:
    """Check the run part of a composed document; see `validate`."""
    return validate(RunConfig, {key: value for key, value in document.items() if key not in _NOT_OF_A_RUN})


def validate(schema: type[T], document: Any, prefix: str = "") -> T:
    """Make a frozen dataclass from plain data.

    Parameters
    ----------
    schema : type
        A pydantic dataclass, such as those of `schema`.
    document : object
        Plain data.
    prefix : str
        Key of the document in the whole configuration, for messages.

    Returns
    -------
    schema

    Raises
    ------
    UserError
        A key, type or value is wrong; the message has a sentence for each.
    """
    try:
        return _adapter(schema).validate_python(document)
    except ValidationError as error:
        known = vars(sys.modules[schema.__module__]).values()
        sentences = [_sentence(dict(problem), prefix, known) for problem in error.errors()]
        raise UserError("; ".join(dict.fromkeys(sentences))) from error


@functools.cache
def _adapter(schema: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(schema)


_RULE_TAGS = {"number", "power", "named"}


def _sentence(problem: dict[str, Any], prefix: str, known: Iterable[Any]) -> str:
    """Say what is wrong with a value; `known` holds the classes of its schema."""
    # Pydantic puts the names of variants into the path of a problem; the user never wrote them.
    tags = _RULE_TAGS | {vars(group).get("kind") for group in _groups(known)}
    path = [str(part) for part in problem["loc"] if part not in tags]
    key = ".".join([prefix, *path] if prefix else path)
    if problem["type"] == "unexpected_keyword_argument":
        return f"{key} is not a known key{_suggestion(path[-1], known)}"
    if problem["type"] == "missing":
        return f"{key} is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if isinstance(problem["input"], (str, int, float, bool, type(None))):
        return f"{key} is {problem['input']!r}: {message}"
    return f"{key}: {message}"


def _suggestion(key: str, known: Iterable[Any]) -> str:
    keys = {name for group in _groups(known) for name in group.__dataclass_fields__}
    close = difflib.get_close_matches(key, keys, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else "; see conf/ for the keys"


def _groups(known: Iterable[Any]) -> Iterator[Any]:
    return (value for value in known if hasattr(value, "__dataclass_fields__"))


_SWEEP = """{given} gives several values, but this is one run. Write a sweep: put these lines in FOLDER/sweep/NAME.yaml
# @package _global_
sweep:
  name: NAME
  question: Which {key} is best?
  grids:
    - shapes: [[2, 32]]
      budgets: {{ n_tokens: [300032] }}
      seeds: [0]
      over: {{ {key}: [{values}] }}
and run `scaling-harness sweep run NAME --config-dir FOLDER`"""


def _several_values(text: str, overrides: Sequence[str]) -> str | None:
    """Explain how to train several values of a key, if Hydra advises an option that no verb has."""
    if "--multirun" not in text:
        return None
    given = next((word for word in overrides if word.partition("=")[0] in text), None)
    if given is None:
        return None
    key, _, values = given.partition("=")
    inside = re.fullmatch(r"choice\((.*)\)", values)
    listed = (inside[1] if inside else values).split(",")
    return _SWEEP.format(given=given, key=key, values=", ".join(value.strip() for value in listed))


def _unknown_key(text: str) -> str | None:
    """Name the key nearest to one that Hydra does not find, or say that a part must be given with its whole."""
    found = re.match(r"Could not (?:override|delete from config\.) '([\w.]+)'", text)
    if found is None:
        return None
    key, known = found[1], list(_keys(RunConfig))
    if key in known:
        whole = key.rpartition(".")[0]
        return f"{key} cannot be set alone, because {whole} is not a mapping here: give it whole, as {whole}={{...}}"
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    return f"{key} is not a known key; " + (f"did you mean {close[0]}?" if close else "see conf/ for the keys")


def _keys(schema: type, prefix: str = "") -> Iterator[str]:
    """Every key of a configuration, dotted; of alternatives, those of all of them."""
    for name, hint in get_type_hints(schema).items():
        yield prefix + name
        for part in (hint, *get_args(hint)):
            for inner in (part, *get_args(part)):
                if is_dataclass(inner):
                    yield from _keys(cast("type", inner), f"{prefix}{name}.")


def _yaml_sentence(error: Exception) -> str:
    """Where a YAML file is wrong, and why."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: not valid YAML: {problem}"


def _one_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if missing := re.search(r"full_key: (\S+)", text):
        return f"{missing[1]} must be given"
    return " ".join(lines[:12])
