"""What the runs of a sweep have in common: everything but shape, length and seed."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic_core import to_jsonable_python

from scaling_harness.config.as_overrides import default_config
from scaling_harness.config.compose import run_config
from scaling_harness.config.schema import RunConfig
from scaling_harness.errors import UserError
from scaling_harness.plan.shape_for_size import ASPECT
from scaling_harness.record.sweep_listing import SweepListing

_BEFORE = {"data": {"test_fraction": 0.0}}
"""What a listing means by lacking a later field whose default is not how runs were before it."""
_PARTS = ("model", "data", "optim", "schedule", "budget", "evaluation")


@dataclass(frozen=True)
class Recipe:
    """What the runs of a sweep have in common."""

    config: RunConfig
    """Of one of them; the shape and the length are to be replaced."""
    n_layer: int | None
    """The number of layers, if all have one."""
    aspect: float
    """Width over layers, the median."""


def recipe_of(listing: SweepListing) -> Recipe:
    """Read the recipe of a sweep's runs; heads count as a part of the shape if they differ.

    Parameters
    ----------
    listing : SweepListing
        Of any version that says how its runs are configured.

    Returns
    -------
    Recipe

    Raises
    ------
    UserError
        This version cannot read the configuration, or the listing has none.
    """
    runs = [{**listing.base, **run.config} for run in listing.runs]
    if not runs or "model" not in runs[0]:
        raise UserError(f"the listing of {listing.name} is of a version that does not say how its runs are configured")
    models = [run["model"] for run in runs]
    heads = {name: _only(model.get(name) for model in models) for name in ("n_head", "d_head")}
    parts = {name: {**_BEFORE.get(name, {}), **runs[0][name]} for name in _PARTS if name in runs[0]}
    config = run_config({**to_jsonable_python(default_config()), **parts, "model": models[0] | heads})
    aspect = median(model["d_model"] / model["n_layer"] for model in models)
    return Recipe(config, _only(model["n_layer"] for model in models), aspect)


def default_recipe() -> Recipe:
    """The recipe of `conf/train.yaml`, with as many layers as the width asks for."""
    return Recipe(default_config(), None, ASPECT)


def _only(values: Any) -> Any:
    """The one value that all have, else None."""
    first, *others = dict.fromkeys(values)
    return None if others else first
