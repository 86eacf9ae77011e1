"""What the page of a report shows beside its answer and its figures: banner, tables and sentences."""

from collections.abc import Sequence
from typing import Any

from analysis.fitting.result import UNUSABLE
from analysis.frontier.exact_flops import exact_allocation
from analysis.report import provenance as sources
from analysis.report import tables
from analysis.report.checklist import checklist
from analysis.report.figures import Material
from analysis.report.read_sweep import Sweep
from analysis.report.summary import Analysis, forecast_line, or_reason, table_rows, warnings_of
from analysis.report.targets import Aim
from analysis.runs.budgets import budget_groups
from scaling_harness.record.provenance import provenance

HEADLINE = ("quantity", "these runs", "published", "how")
SECTIONS = (
    ("headline", "Exponents"),
    ("forecasts", "Forecasts"),
    ("noise", "Fit against noise"),
    ("aims", "Aims"),
    ("counts", "Other counts"),
    ("warnings", "Warnings"),
    ("excluded", "Left out"),
    ("checklist", "Checklist"),
    ("runs", "Runs"),
    ("provenance", "Provenance"),
    ("figures", "Figures"),
)


def page_context(sweep: Sweep, material: Material, aims: Sequence[Aim]) -> dict[str, Any]:
    """All that the template of a report shows beside the document, the figures and the command.

    Parameters
    ----------
    sweep : Sweep
        From `read_sweep`.
    material : Material
        With its analysis, or the reason why there is none.
    aims : sequence of Aim
        Of the sweep, judged.

    Returns
    -------
    dict
    """
    runs, analysis, labels = sweep.runs, material.analysis, material.labels
    records = sources.records_of(runs)
    warnings = warnings_of(analysis) if analysis else runs.notes
    context = {
        "title": f"Scaling laws of {sweep.name}",
        "question": sweep.listing.question if sweep.listing else None,
        "banner": _banner(sweep, material.reason, warnings, aims),
        "sections": SECTIONS,
        "overview": _overview(sweep),
        "count": tables.count_words(runs.count),
        "unit": labels.unit,
        "forecast": forecast_line(analysis) if analysis else "no forecast: no law was fitted",
        "warnings": warnings,
        "aims": tables.aims(aims),
        "dropped": sources.dropped(runs),
        "checklist": checklist(analysis, runs, records, labels),
        "runs": sources.run_table(runs),
        "costs": sources.costs(runs.frame),
        "provenance": sources.provenance(records, provenance()),
    }
    return context | (_fitted(analysis, material) if analysis else {})


def _banner(
    sweep: Sweep, reason: str | None, warnings: Sequence[str], aims: Sequence[Aim]
) -> list[tuple[str, str | None]]:
    """What changes how the page must be read, each with its details: it stands above everything else."""
    left_out = 0 if sweep.progress else len(sweep.runs.dropped)
    missed = [f"{aim.what} {tables.number(aim.measured, 3)} ({aim.wanted})" for aim in aims if not aim.met]
    unusable = dict.fromkeys(sentence for sentence in warnings if UNUSABLE in sentence)
    lines: list[tuple[str, str | None]] = [(sentence, None) for sentence in (sweep.progress, *unusable) if sentence]
    if reason:
        lines.append(("No law was fitted", reason))
    if left_out:
        lines.append((f"{left_out} runs are in no fit", "their reasons stand under Left out"))
    if missed:
        lines.append((f"{len(missed)} of {len(aims)} aims of the sweep are missed", ", ".join(missed)))
    return lines


def _fitted(analysis: Analysis, material: Material) -> dict[str, Any]:
    """What needs a fit."""
    approaches = analysis.approaches
    return {
        "headline": tables.table(HEADLINE, table_rows(analysis)),
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


def _overview(sweep: Sweep) -> str:
    """How many runs over which ranges."""
    frame = sweep.runs.frame
    if frame.empty:
        return "No finished run yet."
    columns = {name: frame[name].to_numpy(float) for name in ("N", "D", "C")}
    words = [f"{name} from {tables.number(x.min())} to {tables.number(x.max())}" for name, x in columns.items()]
    budgets = len(budget_groups(frame["C"].to_numpy()))
    return f"{len(frame)} runs at {budgets} budgets: {', '.join(words)} FLOP; {len(sweep.runs.dropped)} left out."
