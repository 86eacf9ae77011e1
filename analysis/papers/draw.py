"""Figures of a paper in files: each in the formats asked for, beside its table."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from analysis.figures import style
from analysis.papers.figure import Figure, LackingRunsError
from analysis.report.draw import Drawn, check_formats
from analysis.report.page import csv_text
from scaling_harness.record.atomic_files import write_text

PANEL_WIDTH = 5.4
HEIGHT = 4.2


def drawn(figure: Figure, table: pd.DataFrame) -> Drawing:
    """A figure's panels side by side, each drawn from its rows of the table."""
    panels = list(dict.fromkeys(table["panel"]))
    drawing, axes = style.new_figure(len(panels), width=PANEL_WIDTH * len(panels), height=HEIGHT, squeeze=False)
    with style.styled():
        for panel, ax in zip(panels, axes.flat, strict=True):
            figure.draw(ax, table.loc[table["panel"] == panel])
    return drawing


def file_name(key: str, figure: Figure) -> str:
    """Name of a figure's files, without the suffix."""
    return f"{key}-figure-{figure.name}"


def write_figures(
    key: str, figures: Iterable[Figure], evidence: Any, directory: Path, formats: Sequence[str]
) -> list[Drawn]:
    """Write figures that the evidence feeds, and beside each its table.

    Parameters
    ----------
    key : str
        Of the paper.
    figures : iterable of Figure
        From `Paper.figures_named`.
    evidence : object
        From `Paper.read`.
    directory : Path
        Where to write.
    formats : sequence of str
        Of `report.draw.FORMATS`.

    Returns
    -------
    list of Drawn
        Of a figure that the runs do not feed, why.

    Raises
    ------
    LackingRunsError
        The runs feed none of them.
    UserError
        No such format, or the directory cannot be written.
    """
    check_formats(formats)
    written = []
    for figure in figures:
        try:
            table = figure.table(evidence)
        except LackingRunsError as error:
            written.append(Drawn(figure.name, (), str(error)))
            continue
        name = file_name(key, figure)
        files = style.save_figure(drawn(figure, table), directory, name, formats)
        write_text(directory / f"{name}.csv", csv_text(table))
        written.append(Drawn(figure.name, (*files, directory / f"{name}.csv"), None))
    if not any(each.files for each in written):
        raise LackingRunsError("; ".join(each.reason or "" for each in written))
    return written
