"""A design as a sweep: its cells as grids, alone or added to the sweep that it goes on from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scaling_harness.config.schema import Count

Cell = tuple[float, tuple[int, int], int]
"""Budget in FLOP, (n_layer, d_model), and number of new seeds."""
STACK = 4


def design_grids(cells: Iterable[Cell], first_seed: int, count: Count) -> list[dict[str, Any]]:
    """Write cells as grids: a budget's shapes with equally many seeds are one.

    Parameters
    ----------
    cells : iterable of (float, (int, int), int)
        See `Cell`; those without new seeds are left out.
    first_seed : int
        Seeds start here, so that none was trained before.
    count : {"non_embedding", "with_head", "total"}
        The N of C = 6 N D.

    Returns
    -------
    list of dict
    """
    groups: dict[tuple[float, int], list[list[int]]] = {}
    for budget, shape, n_seeds in sorted(cells):
        if n_seeds:
            groups.setdefault((budget, n_seeds), []).append(list(shape))
    return [
        {
            "shapes": shapes,
            "budgets": {"train_flops": [budget], "count": count},
            "seeds": list(range(first_seed, first_seed + n_seeds)),
        }
        for (budget, n_seeds), shapes in groups.items()
    ]


def designed_sweep(name: str, question: str, grids: Sequence[Mapping[str, Any]], alone: bool) -> dict[str, Any]:
    """The `sweep` part of the file: its grids under its own name, so that the next wave can be added to them."""
    described: dict[str, Any] = {"name": name, "question": question}
    return described | ({"stack": STACK} if alone else {}) | {"grids": {name: list(grids)}}


def added_to(document: Mapping[str, Any], sweep: Mapping[str, Any]) -> dict[str, Any]:
    """The composed sweep that a design goes on from, with the design's grids beside its own."""
    before = document["sweep"]
    return {**document, "sweep": {**before, **sweep, "grids": {**before["grids"], **sweep["grids"]}}}
