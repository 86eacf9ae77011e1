"""One self-contained page about a sweep, its figures, and the summary as JSON."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from markupsafe import Markup
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.figures.style import current_settings, inline_svg, save_figure
from analysis.report import figures as catalogue
from analysis.report import made_from, tables
from analysis.report.answer import answer
from analysis.report.context import HEADLINE, page_context
from analysis.report.draw import entries
from analysis.report.figures import Material
from analysis.report.page import csv_text, render, write_and_link
from analysis.report.read_sweep import Sweep, analyse_sweep, material_from, read_sweep
from analysis.report.second_process import Share, in_turn, second_process
from analysis.report.summary import Analysis, forecast_line, summary_document, table_rows
from analysis.report.targets import Aim, judge
from analysis.runs.selection import Count, Selection
from analysis.to_json import to_json
from scaling_harness.record.archive import COMMITTED, PREFIX, archive_name, is_archive, locate
from scaling_harness.record.atomic_files import write_json, write_text

WIDE = 160  # columns of a table that goes to a file


@dataclass(frozen=True)
class ReportPaths:
    """What was written, or stands there from before because nothing it is made from has changed (``unchanged``).

    ``figures`` are the PNG, PDF and CSV files of those that could be drawn; ``headline`` the rows of the table of
    exponents and ``sentences`` what is said below it; ``reason`` why no law could be fitted. ``analysis`` is None if
    there is none, and if the report is unchanged.
    """

    html: Path
    summary_json: Path
    figures: tuple[Path, ...]
    headline: Sequence[Sequence[str]]
    sentences: Sequence[str]
    reason: str | None
    analysis: Analysis | None = None
    unchanged: bool = False


def write_report(
    path: Path | str,
    out_dir: Path | None = None,
    *,
    count: Count = "with_head",
    columns: str | Mapping[str, str] | None = None,
    best_of: Literal["loss"] | None = None,
    hold_out: int | None = None,
    resamples: int = 1000,
) -> ReportPaths:
    """Analyse a sweep once, draw it, and write report.html, summary.json and figures/.

    What stands there already, made from the same runs, options and code, is left as it is.

    Parameters
    ----------
    path : Path or str
        A sweep directory, finished or not, an archive or a table (see `load_runs`).
    out_dir : Path, optional
        Where to write: the sweep directory by default, `reports/<name>` for an archive, `<name>-report` beside a table.
    count : {"with_head", "non_embedding", "total"}
        Which parameters N counts.
    columns : str or mapping, optional
        Columns of a table, as for `load_runs`.
    best_of : {"loss"}, optional
        See `Selection`.
    hold_out : int, optional
        Largest budgets left out for the forecast; what the sweep says by default, else 1.
    resamples : int
        Resamples of the intervals.

    Returns
    -------
    ReportPaths

    Raises
    ------
    UserError
        Nothing there, or a directory that cannot be written.
    """
    path = locate(path)
    out_dir = out_dir or _out_dir(path)
    html, summary = out_dir / "report.html", out_dir / "summary.json"
    options = {"count": count, "columns": columns, "best_of": best_of, "hold_out": hold_out, "resamples": resamples}
    digest = made_from.digest(path, **options)
    if document := made_from.unchanged(summary, digest):
        return _paths(html, summary, document, unchanged=True)
    named = _as_typed(path, count, columns, best_of)
    with second_process(resamples) as share:
        sweep = read_sweep(path, Selection(count, best_of=best_of), columns)
        analysis, reason = analyse_sweep(sweep, hold_out, resamples, share)
        material = material_from(sweep.runs, analysis, reason)
        both = share if analysis else in_turn
        shown, written, of_runs = _draw(material, out_dir / "figures", named, both)
        aims = tuple(judge(analysis, sweep.listing.aims)) if analysis and sweep.listing else ()
        document = _document(sweep, material, aims)
        context = page_context(sweep, material, aims)
    context |= {"figures": shown, "command": f"scaling-harness report {named}"}
    runs_csv = out_dir / "figures" / "runs.csv"
    context["runs_csv"] = write_and_link(of_runs, runs_csv, out_dir)
    write_text(html, render("report.html.j2", document, answer=document.get("answer"), **context))
    files = [str(file.relative_to(out_dir)) for file in (html, runs_csv, *written)]
    document |= {"printed": _printed(analysis, aims), made_from.KEY: {"digest": digest, "files": files}}
    write_json(summary, document)
    return _paths(html, summary, document, analysis)


def _printed(analysis: Analysis | None, aims: Sequence[Aim]) -> dict[str, Any]:
    """What the command line says of a report: rows of the headline, and sentences."""
    if analysis is None:
        return {"headline": [], "sentences": []}
    sentences = [forecast_line(analysis), *tables.noise_sentences(analysis), *tables.aim_lines(aims)]
    return {"headline": [list(row) for row in table_rows(analysis)], "sentences": sentences}


def _paths(
    html: Path, summary: Path, document: Mapping[str, Any], analysis: Analysis | None = None, *, unchanged: bool = False
) -> ReportPaths:
    """A report by its summary."""
    figures = tuple(summary.parent / name for name in document[made_from.KEY]["files"][2:])
    return ReportPaths(
        html,
        summary,
        figures,
        **document["printed"],
        reason=document.get("reason"),
        analysis=analysis,
        unchanged=unchanged,
    )


def print_headline(paths: ReportPaths) -> None:
    """Print the table of exponents, the forecast and the fit's noise, or why there are none."""
    if not paths.headline:
        print(f"no law was fitted: {paths.reason}")
        return
    shown = Table(box=None, header_style="bold")
    for name in HEADLINE:
        shown.add_column(name)
    for row in paths.headline:
        shown.add_row(*(escape(cell) for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(shown)
    print("\n".join(paths.sentences))


def _out_dir(path: Path) -> Path:
    if path.is_dir():
        return path
    return Path("reports", archive_name(path)) if is_archive(path) else path.with_name(f"{path.stem}-report")


def _as_typed(path: Path, count: str, columns: str | Mapping[str, str] | None, best_of: str | None) -> str:
    """The runs and how they are read, as the command line has them."""
    words = [f"{PREFIX}{archive_name(path)}" if path.parent == COMMITTED else str(path)]
    if count != "with_head":
        words += ["--count", count]
    if columns:
        words += ["--columns", columns if isinstance(columns, str) else ",".join(map("=".join, columns.items()))]
    return shlex.join([*words, *(["--best-of", best_of] if best_of else [])])


def _draw(
    material: Material, directory: Path, named: str, share: Share
) -> tuple[list[dict[str, Any]], tuple[Path, ...], str]:
    """Figures as the page shows them, the files written: PNG, PDF and CSV of each; and the table of the runs."""
    settings = current_settings()
    names = sorted([entry.name for entry in catalogue.CATALOGUE], key=lambda name: name not in catalogue.LONGEST)
    calls = [partial(_drawn, material, name, directory, settings) for name in names]
    of_runs = material.runs.frame.drop(columns="curve_path", errors="ignore")
    *drawings, table = share([*calls, partial(csv_text, of_runs)])
    by_name, shown, written = dict(zip(names, drawings, strict=True)), [], []
    for entry in catalogue.CATALOGUE:
        drawn, files = by_name[entry.name]
        row = {"name": entry.name, "title": entry.title, "see": entry.see, "first": entry.first}
        row["command"] = f"scaling-harness figures {named} --figure {entry.name}"
        shown.append(row | drawn)
        written += files
    return shown, tuple(written), table


def _drawn(
    material: Material, name: str, directory: Path, settings: Mapping[Any, Any]
) -> tuple[dict[str, Any], list[Path]]:
    """What is drawn of one figure of the catalogue, or why it is not, and its files."""
    (entry,) = entries([name])
    with mpl.rc_context(dict(settings)):
        figure = entry.draw(material)
        if isinstance(figure, str):
            return {"reason": figure}, []
        data, csv = csv_text(entry.data(material)), directory / f"{entry.name}.csv"
        files = [*save_figure(figure, directory, entry.name), csv]
        link = write_and_link(data, csv, directory.parent)
        svg = Markup(inline_svg(figure, entry.name))
    return {"svg": svg, "csv": link, "found": entry.found(material)}, files


def _document(sweep: Sweep, material: Material, aims: Sequence[Aim]) -> dict[str, Any]:
    """The summary; without a fit, what there is and why."""
    state = {"n_planned": sweep.planned, "n_finished": sweep.finished, "aims": to_json(aims)}
    if analysis := material.analysis:
        answered = answer(analysis, aims, material.labels.unit, sweep.planned - sweep.finished)
        return summary_document(analysis) | {"answer": to_json(answered)} | state
    rows = [dict(row) for row in sweep.runs.dropped]
    runs = {"n_runs": len(sweep.runs), "n_dropped": len(rows), "dropped": rows}
    return {"count": sweep.runs.count, "reason": material.reason, **runs, **state}
