"""One page about a paper: its laws beside ours, then every figure with what is to be seen, what is, and its table."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from analysis.figures.style import inline_svg
from analysis.papers.draw import drawn, file_name
from analysis.papers.figure import Figure, LackingRunsError, Paper, PaperTable, to_train
from analysis.report.page import csv_link, csv_text, render
from analysis.report.tables import table
from analysis.to_json import to_json
from scaling_harness.errors import HarnessError
from scaling_harness.record.atomic_files import write_json, write_text

PAGE = "page.html"


def write_page(paper: Paper, figures: tuple[Figure, ...], find: Callable[[str], Path | None], directory: Path) -> Path:
    """Fit, draw and write the page, and what it says as JSON beside it.

    Parameters
    ----------
    paper : Paper
        From `registry.paper_named`.
    figures : tuple of Figure
        Which of its figures.
    find : callable
        From the name of a sweep to its folder or archive, or None: what needs it then says so.
    directory : Path
        Where to write.

    Returns
    -------
    Path
        Of the page.
    """
    read: dict[str, str] = {}

    @cache
    def evidence_of(names: tuple[str, ...]) -> Any:
        found = {name: path for name in names if (path := find(name))}
        if missing := [name for name in names if name not in found]:
            raise LackingRunsError(f"not trained: {to_train(missing)}")
        read.update({name: str(path) for name, path in found.items()})
        return paper.read(list(found.values()))

    laws = paper.laws(evidence_of)
    shown = [_shown(paper.key, figure, evidence_of) for figure in figures]
    beside = [_beside(each, evidence_of) for each in paper.tables]
    document = {"paper": paper.key, "laws": to_json(laws), "sweeps": read}
    document["figures"] = [{name: each.get(name) for name in ("name", "found", "reason")} for each in shown]
    document["tables"] = [{name: each.get(name) for name in ("title", "reason")} for each in beside]
    html = render(
        "paper.html.j2",
        document,
        title=paper.title,
        question="Which of its laws hold at our scale, and how far can they be compared?",
        sections=(
            ("figures", "Figures"),
            *((("tables", "Tables"),) if beside else ()),
            ("effects", "What will show"),
            ("sweeps", "Sweeps"),
        ),
        laws=table(
            ("law", "published", "ours (95 %)", "comparable or not, and why"),
            [(row.law, row.published, row.ours, row.comparable) for row in laws],
        ),
        figures=shown,
        tables=beside,
        effects=table(
            ("figure", "what is to be seen", "what makes it visible here", "seen"),
            [(f.name, f.see, f.visible, s.get("found") or s["reason"]) for f, s in zip(figures, shown, strict=True)],
        ),
        sweeps=table(("sweep", "runs read from"), list(read.items())),
    )
    write_text(directory / PAGE, html)
    write_json(directory / "page.json", document)
    return directory / PAGE


def _sentence(error: Exception) -> str:
    """An error's message with a capital and a full stop."""
    return f"{str(error)[:1].upper()}{str(error)[1:]}."


def _beside(each: PaperTable, evidence_of: Any) -> dict[str, Any]:
    """A table as the template takes it; of runs that do not feed it, why there is none."""
    words = {"title": f"Table {each.name}: {each.title}", "see": each.see}
    try:
        cells = each.table(evidence_of(each.needs))
    except HarnessError as error:
        return words | {"reason": _sentence(error)}
    return words | {
        "rows": table(tuple(cells.columns), cells.astype(str).to_numpy().tolist()),
        "csv": csv_link(csv_text(cells)),
    }


def _shown(key: str, figure: Figure, evidence_of: Any) -> dict[str, Any]:
    """A figure as the templates take it; without a drawing, why there is none."""
    name = file_name(key, figure)
    words = {"name": name, "title": f"Figure {figure.name}: {figure.title}", "see": figure.see}
    try:
        rows = figure.table(evidence_of(figure.needs))
    except HarnessError as error:  # runs that do not feed it, or a sweep of which none has finished
        return words | {"reason": _sentence(error)}
    return words | {
        "svg": Markup(inline_svg(drawn(figure, rows), name)),
        "csv": csv_link(csv_text(rows)),
        "found": figure.found(rows),
        "command": f"scaling-harness reproduce {key} --figure {figure.name}",
    }
