"""Parts of a source that hold no text: named, counted, and skipped or refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True)
class Broken:
    """A file, or a line or row of one, that cannot be read."""

    path: str
    place: str
    """Such as `line 7`; empty for the rest of the file."""
    reason: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.path, self.place, self.reason)))


def refusal(broken: Broken) -> str:
    """Say why nothing is prepared, and what can be done."""
    return (
        f"{broken}: mend or remove it, or leave out all that is broken with data.on_broken=skip; what was tokenised "
        "before is kept"
    )


def skipped_sentence(broken: Iterable[Broken], counts: Mapping[str, int]) -> str:
    """Say how many pieces of each file were left out, with the first reason of each; `broken` need not hold all."""
    first = {one.path: one for one in reversed(list(broken))}
    named = "; ".join(f"{n} in {first[path]}" for path, n in list(counts.items())[:_NAMED])
    more = f"; and {len(counts) - _NAMED} more files" if len(counts) > _NAMED else ""
    return f"left out {sum(counts.values())} broken pieces of {len(counts)} files: {named}{more}"
