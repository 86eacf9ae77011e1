"""The sweep that comes next: an IsoFLOP slice about a size at one budget, written as a file of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

from scaling_harness.config.as_overrides import Differences
from scaling_harness.config.schema import Count
from scaling_harness.errors import UserError
from scaling_harness.plan.shape_for_size import Shape, nearest
from scaling_harness.record.atomic_files import write_text
from sweeps.compose import sweep_config
from sweeps.config import SweepConfig

SIZES = (0.5, 0.5**0.5, 1.0, 2.0**0.5, 2.0)
"""Sizes of a rung over the best size."""
NOT_OF_A_RUNG = ("model.n_layer", "model.d_model", "budget.n_tokens", "seed")
"""Settings of one run that the grid of a rung replaces."""


def rung_shapes(shapes: Sequence[Shape], n_params: float, count: Count) -> list[tuple[int, int]]:
    """Layers and width of half to twice a size; wider apart where the shapes are, so that there are five.

    Parameters
    ----------
    shapes : sequence of Shape
        From `shapes_of`.
    n_params : float
        The best size.
    count : {"non_embedding", "with_head", "total"}
        What it counts.

    Returns
    -------
    list of (int, int)
    """
    near, middle = {nearest(shapes, x * n_params, count) for x in SIZES}, nearest(shapes, n_params, count)
    rest = sorted(set(range(len(shapes))) - near, key=lambda i: abs(i - middle))
    chosen = sorted([*near, *rest[: len(SIZES) - len(near)]])
    return [(shapes[i].model.n_layer, shapes[i].model.d_model) for i in chosen]


def rung(
    name: str, question: str, shapes: Sequence[tuple[int, int]], train_flops: float, count: Count, law: str
) -> dict[str, Any]:
    """The `sweep` part of a rung.

    Parameters
    ----------
    name, question : str
        See `SweepConfig`.
    shapes : sequence of (int, int)
        From `rung_shapes`.
    train_flops : float
        Its one budget.
    count : {"non_embedding", "with_head", "total"}
        The N of C = 6 N D.
    law : str
        Law of its report, if a sweep may name it.

    Returns
    -------
    dict
    """
    grid = {
        "shapes": [list(shape) for shape in shapes],
        "budgets": {"train_flops": [train_flops], "count": count},
        "seeds": [0],
    }
    described: dict[str, Any] = {"name": name, "question": question}
    if law in get_args(get_type_hints(SweepConfig)["law"]):
        described["law"] = law
    document = described | {"grids": [grid]}
    sweep_config({"sweep": document})
    return document


def write_sweep_file(
    folder: Path, run: Differences | str, sweep: Mapping[str, Any], comments: Mapping[str, str]
) -> Path:
    """Write a sweep as `folder/sweep/NAME.yaml`.

    Parameters
    ----------
    folder : Path
        Of configuration groups, as `--config-dir` names it.
    run : Differences or str
        Of one of its runs from the default configuration; or the sweep that it extends, for settings and grids.
    sweep : mapping
        Its `sweep` part.
    comments : mapping of str to str
        Lines at the top: Question, Command, Runs, FLOPs and so on.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        The file is there already, or cannot be written.
    """
    import yaml

    path = folder / "sweep" / f"{sweep['name']}.yaml"
    if path.exists():
        raise UserError(f"{path} exists: choose another name, or delete it")
    head = ["# @package _global_", *(f"# {key}: {words}" for key, words in comments.items())]
    document = {**_settings(run), "sweep": dict(sweep)}
    body = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    write_text(path, "\n".join([*head, body]))
    return path


def _settings(run: Differences | str) -> dict[str, Any]:
    """What the runs have in common, or where it is from."""
    if isinstance(run, str):
        return {"defaults": [run]}
    common = {key: value for key, value in run.settings.items() if key not in NOT_OF_A_RUNG}
    return Differences(run.options, common).document()
