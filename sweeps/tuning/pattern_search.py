"""Search for the best settings with a fixed number of trials, by a deterministic pattern search.

The search starts with factors of two: each round tries the neighbours of the best point along every setting. A better
one becomes the centre, so that the search moves on as long as the best point lies at the edge of what was tried; if
none is better, the logarithm of the factor is halved (2, then its square root, ...).
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

Point = tuple[float, ...]
SMALLEST_STEP = 2.0**-4
"""Smallest step in log2 of a setting; below it the loss hardly changes."""


@dataclass(frozen=True)
class Axis:
    """One setting that is searched, by factors of its default."""

    name: str
    start: float
    nearest: Callable[[float], float | None] = field(default=lambda value: value)
    """Returns the allowed value nearest to a given one; None if there is none."""


@dataclass(frozen=True)
class Trial:
    """Settings and the loss they reached; inf if the run did not converge."""

    settings: Mapping[str, float]
    loss: float


@dataclass(frozen=True)
class SearchResult:
    """Result of a search."""

    trials: tuple[Trial, ...]
    """Trials in the order in which they were run."""
    best: Trial
    bracketed: Mapping[str, bool]
    """For each setting, whether its best value has tried values, or no allowed ones, on both sides."""


def proposals(axes: Sequence[Axis], trials: int) -> Generator[list[dict[str, float]], Sequence[float], SearchResult]:
    """Search as a generator: yield settings to try, be sent their losses, return the result.

    Parameters
    ----------
    axes : sequence of Axis
        Settings to search.
    trials : int
        Number of points to try, including the default; fewer are tried only if the allowed values run out.

    Yields
    ------
    list of dict
        Settings of the next round. Send a loss of inf or NaN for those that did not converge.

    Returns
    -------
    SearchResult
    """
    seen: dict[Point, float] = {}
    best = tuple(axis.start for axis in axes)
    step, wanted = 1.0, [best]
    while wanted:
        wanted = wanted[: trials - len(seen)]
        losses = yield [_named(axes, point) for point in wanted]
        before = best
        seen |= {
            point: loss if loss < float("inf") else float("inf") for point, loss in zip(wanted, losses, strict=True)
        }
        best = min(seen, key=seen.__getitem__)
        if len(seen) == trials:
            break
        if best == before and len(seen) > 1:
            step /= 2
        wanted = _neighbours(axes, best, step, seen)
        while not wanted and step > SMALLEST_STEP:
            step /= 2
            wanted = _neighbours(axes, best, step, seen)
    tried = tuple(Trial(_named(axes, point), loss) for point, loss in seen.items())
    return SearchResult(tried, tried[list(seen).index(best)], _bracketed(axes, best, seen))


def _named(axes: Sequence[Axis], point: Point) -> dict[str, float]:
    return {axis.name: value for axis, value in zip(axes, point, strict=True)}


def _neighbours(axes: Sequence[Axis], centre: Point, step: float, seen: Mapping[Point, float]) -> list[Point]:
    """Return the allowed untried points one step down and up along every axis."""
    neighbours = []
    for i, axis in enumerate(axes):
        for sign in (-1, 1):
            value = axis.nearest(centre[i] * 2.0 ** (sign * step))
            if value is not None:
                neighbours.append((*centre[:i], value, *centre[i + 1 :]))
    return [point for point in dict.fromkeys(neighbours) if point not in seen]


def _bracketed(axes: Sequence[Axis], best: Point, seen: Mapping[Point, float]) -> dict[str, bool]:
    inside = {}
    for i, axis in enumerate(axes):
        tried = [point[i] for point in seen]
        below, above = min(tried) < best[i], max(tried) > best[i]
        ends = [axis.nearest(best[i] * factor) for factor in (0.5, 2.0)]
        bound = [end is None or end == best[i] for end in ends]
        inside[axis.name] = (below or bound[0]) and (above or bound[1])
    return inside
