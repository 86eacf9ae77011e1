"""What a figure of a paper is: a name, what feeds it, its table, and a drawing of that table alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from analysis.runs.public_tables import ENVIRONMENT, FOLDER, dataset_named, find_local
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
        Sweeps of `conf/sweep` that feed it: what to train if the runs given do not; none for a closed form.
    public : tuple of str
        Public tables that feed it, by their names in `runs.public_tables`; `public_table` reads one.
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
    public: tuple[str, ...] = ()

    def table(self, evidence: Any) -> pd.DataFrame:
        """The figure's table from the runs.

        Raises
        ------
        LackingRunsError
            With the sweeps that would feed it, and the command that trains them.
        """
        return _fed(f"figure {self.name}", self.needs, self.data, evidence)


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper, its values beside ours.

    Attributes
    ----------
    name, title, see, needs, public
        As those of a `Figure`.
    data : callable
        Evidence of the paper -> the table as it is to be read, cells of text; raises `LackingRunsError`.
    """

    name: str
    title: str
    see: str
    needs: tuple[str, ...]
    data: Callable[[Any], pd.DataFrame]
    public: tuple[str, ...] = ()

    def table(self, evidence: Any) -> pd.DataFrame:
        """The table from the runs, as `Figure.table`."""
        return _fed(f"table {self.name}", self.needs, self.data, evidence)


def _fed(words: str, needs: tuple[str, ...], data: Callable[[Any], pd.DataFrame], evidence: Any) -> pd.DataFrame:
    """Its data; of runs that do not feed it, the sweeps that would."""
    try:
        return data(evidence)
    except HarnessError as error:
        if not needs:
            raise LackingRunsError(f"{words} cannot be made: {error}") from error
        raise LackingRunsError(f"these runs do not feed {words}: {error}; it needs {to_train(needs)}") from error


def public_table(name: str) -> pd.DataFrame:
    """A public table that a figure reads, from ``$SCALING_HARNESS_DATA``; none is downloaded.

    Raises
    ------
    LackingRunsError
        It is not there.
    """
    dataset = dataset_named(name)
    path = find_local(dataset)
    if path is None:
        raise LackingRunsError(
            f"the public table {name} is not here: put {dataset.file}, made from {dataset.address}, into "
            f"${ENVIRONMENT}/{FOLDER}"
        )
    return pd.read_json(path, lines=True) if path.suffix == ".jsonl" else pd.read_csv(path)


def to_train(sweeps: Sequence[str]) -> str:
    """Sweeps, and the command that trains them, in words."""
    commands = " && ".join(f"scaling-harness sweep run {name}" for name in sweeps)
    return f"the sweep{'s' * (len(sweeps) > 1)} {' and '.join(sweeps)}: `{commands}`"


@dataclass(frozen=True)
class Paper:
    """A paper: figures and tables, what they read from paths of runs (none for closed forms), its laws beside ours."""

    key: str
    title: str
    figures: tuple[Figure, ...]
    read: Callable[[Sequence[Path]], Any]
    laws: Callable[[Callable[[tuple[str, ...]], Any]], "list[LawRow]"]
    """Given what gives the evidence of some sweeps, or raises `LackingRunsError`."""
    tiers: Mapping[str, Mapping[str, str]]
    """By tier, sweeps that figures need -> those that `reproduce` trains for them."""
    tables: tuple[PaperTable, ...] = ()

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
