"""What a figure of a paper is: a name, what feeds it, its table, and a drawing of that table alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from scaling_harness.errors import HarnessError, UserError


class LackingRunsError(HarnessError):
    """These runs cannot feed a figure; the message says what they lack."""


@dataclass(frozen=True)
class Figure:
    """One figure of a paper.

    Attributes
    ----------
    name : str
        Its number in the paper.
    title, see : str
        What it is, and what is to be seen in it.
    visible : str
        What makes it visible at our scale, against the noise between seeds.
    needs : tuple of str
        Sweeps of `conf/sweep` that feed it: what to train if the runs given do not.
    data : callable
        Evidence of the paper -> the table, see `tidy`; raises `LackingRunsError` with what the runs lack.
    draw : callable
        Draws the rows of one panel into an Axes and gives it back; it knows nothing but them.
    found : callable
        Table -> what these runs show, a sentence.
    """

    name: str
    title: str
    see: str
    visible: str
    needs: tuple[str, ...]
    data: Callable[[Any], pd.DataFrame]
    draw: Callable[[Axes, pd.DataFrame], Axes]
    found: Callable[[pd.DataFrame], str]

    def table(self, evidence: Any) -> pd.DataFrame:
        """The figure's table from the runs.

        Raises
        ------
        LackingRunsError
            With the sweeps that would feed it, and the command that trains them.
        """
        try:
            return self.data(evidence)
        except HarnessError as error:
            raise LackingRunsError(
                f"these runs do not feed figure {self.name}: {error}; it needs {to_train(self.needs)}"
            ) from error


def to_train(sweeps: Sequence[str]) -> str:
    """Sweeps, and the command that trains them, in words."""
    commands = " && ".join(f"scaling-harness sweep run {name}" for name in sweeps)
    return f"the sweep{'s' * (len(sweeps) > 1)} {' and '.join(sweeps)}: `{commands}`"


@dataclass(frozen=True)
class Paper:
    """A paper: its figures, what they read from paths of runs, and its laws beside ours."""

    key: str
    title: str
    figures: tuple[Figure, ...]
    read: Callable[[Sequence[Path]], Any]
    laws: Callable[[Callable[[tuple[str, ...]], Any]], "list[LawRow]"]
    """Given what gives the evidence of some sweeps, or raises `LackingRunsError`."""
    tiers: Mapping[str, Mapping[str, str]]
    """By tier, sweeps that figures need -> those that `reproduce` trains for them."""

    def figures_named(self, names: Sequence[str]) -> tuple[Figure, ...]:
        """Figures by their numbers, all for none.

        Raises
        ------
        UserError
            There is no such figure here.
        """
        known = {figure.name: figure for figure in self.figures}
        for name in names:
            if name not in known:
                raise UserError(f"{self.key} has no figure {name} here: there are {', '.join(known)}")
        return tuple(known[name] for name in dict.fromkeys(names)) or self.figures


@dataclass(frozen=True)
class LawRow:
    """A law of the paper beside ours: values as written, and whether they can be compared."""

    law: str
    published: str
    ours: str
    comparable: str
