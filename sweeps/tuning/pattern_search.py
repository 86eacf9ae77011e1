"""A search for the best settings that costs a stated number of trials, the same for everyone. Standard library only.

Factors of two around the start: each round tries the neighbours of the best point along every setting. A better one
becomes the centre, so that the search moves on for as long as the best lies at the edge of what was tried; when none is
better the factor is halved in its logarithm (2, then its square root, ...). There is no chance in it.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

Point = tuple[float, ...]
SMALLEST_STEP = 2.0**-4
"""Of log2; below it any loss is as good as the next."""


@dataclass(frozen=True)
class Axis:
    """One setting that is searched, from its default by factors."""

    name: str
    start: float
    nearest: Callable[[float], float | None] = field(default=lambda value: value)
    """The allowed value nearest to one that is wanted; None where there is none."""


@dataclass(frozen=True)
class Trial:
    """Settings and the loss they reached; inf where the run did not converge."""

    settings: Mapping[str, float]
    loss: float


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    trials: tuple[Trial, ...]
    """In the order they were made."""
    best: Trial
    bracketed: Mapping[str, bool]
    """Whether a setting's best value has others tried, or none allowed, on both sides."""


def proposals(axes: Sequence[Axis], trials: int) -> Generator[list[dict[str, float]], Sequence[float], Found]:
    """Search as a generator: yields settings to try, is sent the loss of each, returns what the search came to.

    Parameters
    ----------
    axes : sequence of Axis
        What is searched.
    trials : int
        How many settings are tried, the default included; fewer only if the allowed values run out.

    Yields
    ------
    list of dict
        The next round; a loss of inf or NaN says that its settings did not converge.

    Returns
    -------
    Found
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
    made = tuple(Trial(_named(axes, point), loss) for point, loss in seen.items())
    return Found(made, made[list(seen).index(best)], _bracketed(axes, best, seen))


def _named(axes: Sequence[Axis], point: Point) -> dict[str, float]:
    return {axis.name: value for axis, value in zip(axes, point, strict=True)}


def _neighbours(axes: Sequence[Axis], centre: Point, step: float, seen: Mapping[Point, float]) -> list[Point]:
    """Allowed points a step down and up along every axis that were not tried."""
    found = []
    for i, axis in enumerate(axes):
        for sign in (-1, 1):
            value = axis.nearest(centre[i] * 2.0 ** (sign * step))
            if value is not None:
                found.append((*centre[:i], value, *centre[i + 1 :]))
    return [point for point in dict.fromkeys(found) if point not in seen]


def _bracketed(axes: Sequence[Axis], best: Point, seen: Mapping[Point, float]) -> dict[str, bool]:
    inside = {}
    for i, axis in enumerate(axes):
        tried = [point[i] for point in seen]
        below, above = min(tried) < best[i], max(tried) > best[i]
        ends = [axis.nearest(best[i] * factor) for factor in (0.5, 2.0)]
        bound = [end is None or end == best[i] for end in ends]
        inside[axis.name] = (below or bound[0]) and (above or bound[1])
    return inside
