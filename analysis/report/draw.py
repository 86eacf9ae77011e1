"""Figures of runs without the page: each in the formats asked for, beside the table of what is drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.figures.style import save_figure
from analysis.report.figures import CATALOGUE, Entry, Material
from analysis.report.page import csv_text
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.atomic_files import write_text

FORMATS = ("png", "pdf", "svg")


@dataclass(frozen=True)
class Drawn:
    """One figure of some runs: its files, or the sentence of what they lack."""

    name: str
    files: tuple[Path, ...]
    reason: str | None


def entries(names: Sequence[str]) -> tuple[Entry, ...]:
    """Figures by their names, all of them for none.

    Parameters
    ----------
    names : sequence of str
        Of the catalogue.

    Returns
    -------
    tuple of Entry

    Raises
    ------
    UserError
        There is no figure of that name.
    """
    known = {entry.name: entry for entry in CATALOGUE}
    for name in names:
        if name not in known:
            raise UserError(f"there is no figure {name}: they are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) or CATALOGUE


def draw(material: Material, wanted: Iterable[Entry], directory: Path, formats: Sequence[str]) -> list[Drawn]:
    """Write figures, and beside each a CSV of what is drawn in it.

    Parameters
    ----------
    material : Material
        From `read_sweep.material_of`.
    wanted : iterable of Entry
        From `entries`.
    directory : Path
        Where to write.
    formats : sequence of str
        Of `FORMATS`.

    Returns
    -------
    list of Drawn

    Raises
    ------
    HarnessError
        The runs feed none of them.
    UserError
        No such format, or the directory cannot be written.
    """
    check_formats(formats)
    drawn = [_drawn(material, entry, directory, formats) for entry in wanted]
    if not any(each.files for each in drawn):
        raise HarnessError("; ".join(f"{each.name}: {each.reason}" for each in drawn))
    return drawn


def check_formats(formats: Sequence[str]) -> None:
    """Refuse formats that figures are not written in.

    Parameters
    ----------
    formats : sequence of str
        As the user named them.

    Raises
    ------
    UserError
        One of them is not of `FORMATS`.
    """
    if unknown := [each for each in formats if each not in FORMATS]:
        raise UserError(f"{unknown[0]} is no format of a figure: they are {', '.join(FORMATS)}")


def _drawn(material: Material, entry: Entry, directory: Path, formats: Sequence[str]) -> Drawn:
    figure = entry.draw(material)
    if isinstance(figure, str):
        reason = figure.rstrip(".") + (f" ({material.reason})" if material.reason else "")
        return Drawn(entry.name, (), f"{reason}; it needs {entry.needs}")
    table = directory / f"{entry.name}.csv"
    files = save_figure(figure, directory, entry.name, formats)
    write_text(table, csv_text(entry.data(material)))
    return Drawn(entry.name, (*files, table), None)
