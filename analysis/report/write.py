"""One self-contained page about a sweep, its figures, and the summary as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import jinja2
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.figures.style import data_uri, save_figure
from analysis.fitting.result import UNUSABLE
from analysis.frontier.approach2_isoflop import slices
from analysis.frontier.common_compute import at_common_compute
from analysis.frontier.exact_flops import exact_allocation
from analysis.frontier.verdict import verdict
from analysis.laws.chinchilla import chinchilla
from analysis.laws.registry import LAWS
from analysis.report import made_from, tables
from analysis.report import provenance as sources
from analysis.report.figures import Material, draw_all
from analysis.report.summary import (
    Analysis,
    analyse,
    forecast_line,
    or_reason,
    summary_document,
    table_rows,
    warnings_of,
)
from analysis.report.targets import Aim, judge
from analysis.runs.budgets import budget_groups
from analysis.runs.curves import curves_of
from analysis.runs.from_records import find_run_dirs, is_finished, is_sweep, listing_of, read_rows
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Count, Runs, Selection, clean
from analysis.to_json import to_json
from analysis.validation.coverage import MIXTURE
from analysis.validation.mixture import FORMS
from scaling_harness.errors import HarnessError
from scaling_harness.record.archive import archive_name, is_archive, locate
from scaling_harness.record.atomic_files import write_json, write_text
from scaling_harness.record.provenance import provenance
from scaling_harness.record.sweep_listing import SweepListing

HEADLINE = ("quantity", "these runs", "published", "how")
WIDE = 160  # columns of a table that goes to a file
SECTIONS = (
    ("headline", "Exponents"),
    ("forecast", "Forecast"),
    ("noise", "Fit against noise"),
    ("aims", "Aims of the sweep"),
    ("counts", "Other counts of N and C"),
    ("figures", "Figures"),
    ("warnings", "Warnings"),
    ("excluded", "Left out"),
    ("checklist", "Checklist"),
    ("runs", "Runs"),
    ("provenance", "Provenance"),
)


@dataclass(frozen=True)
class ReportPaths:
    """What was written, or stands there from before because nothing it is made from has changed (``unchanged``).

    ``figures`` are the PNG and PDF files, those that could be drawn; ``headline`` the rows of the table of exponents
    and ``sentences`` what is said below it; ``reason`` why no law could be fitted. ``analysis`` is None if there is
    none, and if the report is unchanged.
    """

    html: Path
    summary_json: Path
    figures: tuple[Path, ...]
    headline: Sequence[Sequence[str]]
    sentences: Sequence[str]
    reason: str | None
    analysis: Analysis | None = None
    unchanged: bool = False


@dataclass(frozen=True)
class _Sweep:
    """What a path holds: its runs, why they cannot be fitted, and how many were planned and are finished."""

    runs: Runs
    reason: str | None
    listing: SweepListing | None
    planned: int
    finished: int

    @property
    def progress(self) -> str | None:
        """Said on top of the page while runs are missing."""
        if self.finished == self.planned:
            return None
        return f"incomplete: {self.finished} of {self.planned} runs finished"


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
    sweep = _read(path, Selection(count, best_of=best_of), columns)
    analysis, reason = _analyse(sweep, hold_out, resamples)
    aims = tuple(judge(analysis, sweep.listing.aims)) if analysis and sweep.listing else ()
    material = _material(sweep.runs, analysis, reason)
    shown, written = _draw(material, out_dir / "figures")
    context = _context(path, sweep, material, shown) | {"aims": tables.aims(aims)}
    write_text(html, _template().render(context))
    document = _document(sweep, analysis, reason) | {"aims": to_json(aims)}
    files = [str(file.relative_to(out_dir)) for file in (html, *written)]
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
    figures = tuple(summary.parent / name for name in document[made_from.KEY]["files"][1:])
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


def _read(path: Path, selection: Selection, columns: str | Mapping[str, str] | None) -> _Sweep:
    """Runs that can be fitted; or all that have finished, with the reason why they cannot."""
    if not is_sweep(path):
        runs = load_runs(path, selection, columns=columns)
        return _Sweep(runs, None, None, len(runs), len(runs))
    run_dirs = find_run_dirs(path)
    try:
        runs, reason = load_runs(path, selection), None
    except HarnessError as error:
        runs, reason = _unfitted(run_dirs, selection.count), str(error)
    return _Sweep(runs, reason, listing_of(path), len(run_dirs), sum(map(is_finished, run_dirs)))


def _unfitted(run_dirs: list[Path], count: Count) -> Runs:
    """Finished runs of any recipe."""
    frame, unread = read_rows(run_dirs)
    if frame.empty:
        return Runs(pd.DataFrame(), tuple(unread), count)
    return clean(Runs(frame, tuple(unread), count).with_count(count))


def _analyse(sweep: _Sweep, hold_out: int | None, resamples: int) -> tuple[Analysis | None, str | None]:
    if sweep.reason is not None:
        return None, sweep.reason
    listing = sweep.listing
    hold_out = hold_out or (listing.hold_out if listing else 1)
    try:
        named = listing.law if listing else "chinchilla"
        law, beside = (chinchilla, FORMS) if named == MIXTURE else (LAWS[named], ())
        return analyse(sweep.runs, law=law, beside=beside, hold_out=hold_out, resamples=resamples), None
    except HarnessError as error:
        return None, str(error)


def _material(runs: Runs, analysis: Analysis | None, reason: str | None) -> Material:
    if analysis is not None:
        approaches = analysis.approaches
        return Material(runs, analysis.curves, approaches.equal_compute, approaches.slices, analysis, None)
    if runs.frame.empty:
        return Material(runs, {}, pd.DataFrame(), (), None, reason)
    cells = at_common_compute(design_cells(runs.frame)).cells
    return Material(runs, curves_of(runs), cells, tuple(slices(cells)), None, reason)


def _draw(material: Material, directory: Path) -> tuple[list[dict[str, str]], tuple[Path, ...]]:
    """Figures as the page shows them, and the files written."""
    shown, written = [], []
    for entry, drawn in draw_all(material):
        row = {"name": entry.name, "title": entry.title, "caption": entry.caption}
        if isinstance(drawn, Figure):
            written += save_figure(drawn, directory, entry.name)
            row["image"] = data_uri(drawn)
        else:
            row["reason"] = drawn
        shown.append(row)
    return shown, tuple(written)


def _context(path: Path, sweep: _Sweep, material: Material, shown: list[dict[str, str]]) -> dict[str, Any]:
    """All that the template shows."""
    runs, analysis, labels = sweep.runs, material.analysis, material.labels
    records = sources.records_of(runs)
    warnings = warnings_of(analysis) if analysis else runs.notes
    context = {
        "title": f"Scaling laws of {sweep.listing.name if sweep.listing else path.stem}",
        "question": sweep.listing.question if sweep.listing else None,
        "sections": SECTIONS,
        "progress": sweep.progress,
        "reason": material.reason,
        "overview": _overview(sweep),
        "count": tables.count_words(runs.count),
        "forecast": forecast_line(analysis) if analysis else "no forecast: no law was fitted",
        "figures": shown,
        "warnings": warnings,
        "unusable": list(dict.fromkeys(sentence for sentence in warnings if UNUSABLE in sentence)),
        "dropped": sources.dropped(runs),
        "checklist": sources.checklist(analysis, runs, records, labels),
        "runs": sources.run_table(runs),
        "costs": sources.costs(runs.frame),
        "provenance": sources.provenance(records, provenance()),
    }
    return context | (_fitted(analysis, material) if analysis else {})


def _fitted(analysis: Analysis, material: Material) -> dict[str, Any]:
    """What needs a fit."""
    approaches = analysis.approaches
    return {
        "headline": tables.table(HEADLINE, table_rows(analysis)),
        "agreement": verdict(approaches).sentence,
        "differences": tables.differences(analysis),
        "variants": tables.variants(analysis),
        "published": tables.published(),
        "noise": tables.noise_sentences(analysis),
        "offset": tables.offset_sentences(analysis, material.labels),
        "parameters": tables.parameters(analysis),
        "counts": tables.counts(
            analysis, *or_reason(lambda: exact_allocation(analysis.runs.frame, approaches.parametric))
        ),
        "ranking": tables.ranking(analysis),
        "influence": tables.influence(analysis),
        "influential": analysis.influence.sentences() if analysis.influence else [],
        "excluded": tables.excluded(analysis),
    }


def _overview(sweep: _Sweep) -> str:
    """How many runs over which ranges."""
    frame = sweep.runs.frame
    if frame.empty:
        return "No finished run yet."
    columns = {name: frame[name].to_numpy(float) for name in ("N", "D", "C")}
    words = [f"{name} from {tables.number(x.min())} to {tables.number(x.max())}" for name, x in columns.items()]
    budgets = len(budget_groups(frame["C"].to_numpy()))
    return f"{len(frame)} runs at {budgets} budgets: {', '.join(words)} FLOP; {len(sweep.runs.dropped)} left out."


def _document(sweep: _Sweep, analysis: Analysis | None, reason: str | None) -> dict[str, Any]:
    """The summary; without a fit, what there is and why."""
    state = {"n_planned": sweep.planned, "n_finished": sweep.finished}
    if analysis is not None:
        return summary_document(analysis) | state
    rows = [dict(row) for row in sweep.runs.dropped]
    runs = {"n_runs": len(sweep.runs), "n_dropped": len(rows), "dropped": rows}
    return {"count": sweep.runs.count, "reason": reason, **runs, **state}


def _template() -> jinja2.Template:
    source = resources.files("analysis.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)
