"""The number of layers and the width that have a wanted number of parameters."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from scaling_harness.config.schema import Count, ModelConfig
from scaling_harness.errors import UserError
from scaling_harness.models.registry import describe, n_params_of
from scaling_harness.plan.scale_rules import RULE_FORMULAS
from scaling_harness.plan.scale_rules import n_layer as best_n_layer

ASPECT = 64.0
"""Width over layers where nothing is known: within the flat valley of Kaplan et al. (2020), fig. 5."""
LARGEST_HEAD = 128
WIDTHS = (*range(4, 128, 4), *range(128, 1024, 8), *range(1024, 2**17, 64))


@dataclass(frozen=True)
class Shape:
    """A model and its sizes."""

    model: ModelConfig
    n_params: dict[str, int]
    """N by count; see `param_flop_counts.n_params`."""


def shapes_of(
    model: ModelConfig, vocab_size: int, n_layer: int | str | None = None, aspect: float = ASPECT
) -> tuple[Shape, ...]:
    """Count every shape that an architecture may have, from small to large.

    Parameters
    ----------
    model : ModelConfig
        All but the shape.
    vocab_size : int
        V.
    n_layer : int or str, optional
        Number of layers, or the rule of `scale_rules` that gives it for N; by default it grows with the width.
    aspect : float
        Width over layers, if `n_layer` is not given.

    Returns
    -------
    tuple of Shape
    """
    layers_of = _layers_of(n_layer, aspect)
    shapes = (Shape(each, n_params_of(describe(each, vocab_size))) for each in _models(model, layers_of))
    kept = (s for s in shapes if not isinstance(n_layer, str) or _obeys(s, n_layer))
    return tuple(sorted(kept, key=lambda shape: shape.n_params["total"]))


def nearest_shape(shapes: Sequence[Shape], n_params: float, count: Count) -> Shape:
    """Find the shape whose N is nearest to a wanted one.

    Parameters
    ----------
    shapes : sequence of Shape
        From `shapes_of`.
    n_params : float
        Wanted N.
    count : {"non_embedding", "with_head", "total"}
        What it counts.

    Returns
    -------
    Shape

    Raises
    ------
    UserError
        None has about that N.
    """
    near = shapes[nearest(shapes, n_params, count)] if shapes else None
    if near is None or not 1 / 2 < n_params / near.n_params[count] < 2:
        spans = " to ".join(f"{shape.n_params[count]:.3g}" for shape in (*shapes[:1], *shapes[-1:]))
        raise UserError(
            f"no shape of this architecture has about N = {n_params:.3g} ({count}): with these layers and heads they "
            f"go from {spans or 'none at all'}; give other --layers"
        )
    return near


def nearest(shapes: Sequence[Shape], n_params: float, count: Count) -> int:
    """Index of the shape whose N is nearest, however far that is."""
    return min(range(len(shapes)), key=lambda i: abs(math.log(shapes[i].n_params[count] / n_params)))


def _layers_of(n_layer: int | str | None, aspect: float) -> Callable[[int], Iterable[int]]:
    """The numbers of layers that a width may have."""
    if isinstance(n_layer, str):
        ruled = RULE_FORMULAS[n_layer].n_layer or {}
        return lambda _: ruled
    return lambda d_model: [n_layer or max(1, round(d_model / aspect))]


def _obeys(shape: Shape, rule: str) -> bool:
    """Whether a shape has the layers that the rule gives its size."""
    return shape.model.n_layer == best_n_layer(rule, shape.n_params["with_head"])


def _models(model: ModelConfig, layers_of: Callable[[int], Iterable[int]]) -> Iterator[ModelConfig]:
    """Every shape that is allowed."""
    for d_model, layers in ((width, layers) for width in WIDTHS for layers in layers_of(width)):
        try:
            shape = dataclasses.replace(model, n_layer=layers, d_model=d_model)
        except ValueError:  # the heads or the token shift do not divide this width
            continue
        if model.n_head or model.d_head or d_model // shape.heads <= LARGEST_HEAD:
            yield shape
