"""List the sweeps that can be run by name, with what their files say of them and how many of their runs are done."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_harness.config.compose import CONF_DIR
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.store import Store
from scaling_harness.record.sweep_listing import SWEEP_FILE, read_listing

_QUESTION = re.compile(r"^# Question: *(.+)$", re.MULTILINE)
_NUMBERS = re.compile(r"^# (Runs|FLOPs): *([\d.]+(?:e[+-]?\d+)?)", re.MULTILINE)


@dataclass(frozen=True)
class KnownSweep:
    """A file of a `sweep` folder of configurations."""

    name: str
    """Name to run it by."""
    question: str
    """What it is for: its comment `# Question:`, its field `question`, or why it cannot be run."""
    n_runs: int | None
    """Number of planned runs if it was started, else that of its comment `# Runs:`, if it has one."""
    train_flops: float | None
    """The number of its comment `# FLOPs:`, if it has one."""
    state: str
    """How many of its runs are finished; empty if it was not started."""
    file: str
    """Path of the file."""


def known_sweeps(store: Store, config_dir: Path | None = None) -> list[KnownSweep]:
    """Describe every sweep that can be run; nothing is composed or planned.

    Parameters
    ----------
    store : Store
        Where runs of them may lie.
    config_dir : Path, optional
        Another folder of configuration groups, as for `compose`.

    Returns
    -------
    list of KnownSweep
        Those that come with the package, then those of the folder, each in the order of names.

    Raises
    ------
    UserError
        The folder has no folder `sweep`.
    """
    if config_dir is not None and not (config_dir / "sweep").is_dir():
        raise UserError(f"{config_dir / 'sweep'} is not a folder: sweeps of your own are DIR/sweep/NAME.yaml")
    folders = [CONF_DIR, *([config_dir] if config_dir else [])]
    return [
        _described(path, folder / "sweep", store)
        for folder in folders
        for path in sorted((folder / "sweep").rglob("*.yaml"), key=lambda path: path.relative_to(folder).as_posix())
    ]


def _described(path: Path, folder: Path, store: Store) -> KnownSweep:
    """What a file says; of one in a folder of its own the name is FOLDER/NAME."""
    import yaml

    name = path.relative_to(folder).with_suffix("").as_posix()
    text = path.read_text(errors="replace")
    numbers = {key: float(number) for key, number in _NUMBERS.findall(text)}
    try:
        fields, problem = dict(_fields(yaml.safe_load(text))), None
    except yaml.YAMLError:
        fields, problem = {}, "cannot be run: not valid YAML"
    if CONF_DIR not in path.parents and (CONF_DIR / "sweep" / f"{name}.yaml").exists():
        problem = "cannot be run: the package has a sweep of this name, rename the file"
    comment = _QUESTION.search(text)
    n_runs, state = _progress(store, str(fields.get("name") or path.stem))
    if n_runs is None and "Runs" in numbers:
        n_runs = int(numbers["Runs"])
    question = problem or (comment[1] if comment else str(fields.get("question") or ""))
    return KnownSweep(name, " ".join(question.split()), n_runs, numbers.get("FLOPs"), state, str(path))


def _fields(document: Any) -> Iterator[tuple[str, Any]]:
    """Fields of the sweep, of a file with its package line or without."""
    if isinstance(document, Mapping):
        described = document.get("sweep", document)
        yield from described.items() if isinstance(described, Mapping) else ()


def _progress(store: Store, name: str) -> tuple[int | None, str]:
    """Number of runs of a sweep that was started, and how many are finished."""
    folder = store.sweep_dir(name)
    if not (folder / SWEEP_FILE).exists():
        return None, ""
    try:
        runs = read_listing(folder).runs
    except HarnessError as error:
        return None, str(error)
    return len(runs), f"{sum(store.is_finished(run.run_id) for run in runs)} of {len(runs)} done"
