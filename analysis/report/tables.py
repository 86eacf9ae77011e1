"""Results as the sentences and tables of a report, in plain text: the template only lays them out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.figures.style import Labels
from analysis.frontier.exact_flops import ExactAllocation
from analysis.laws.published import PUBLISHED
from analysis.report.summary import MOST_INFLUENTIAL, PUBLISHED_BESIDE, Analysis
from analysis.report.targets import Aim

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
COUNT_WORDS = {"with_head": "non-embedding plus head", "non_embedding": "non-embedding", "total": "with embedding"}
NO_LACK = 0.05
SKILLS = ("skill", "skill_power_law")


@dataclass(frozen=True)
class Table:
    """Column names and rows, all text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of rows of text."""
    return Table(tuple(columns), tuple(tuple(row) for row in rows))


def count_words(count: str | None) -> str:
    """Which parameters N counts, in words."""
    return COUNT_WORDS[count] if count else "as the table counts it"


def number(value: Any) -> str:
    """Four significant digits, thousands in full; from 1e7 on, and below 1e-3, with a power of ten."""
    if value is None or not np.isfinite(value):
        return "–"
    if 1e3 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.4g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}×10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def differences(analysis: Analysis) -> Table:
    """Pairwise differences of a, and whether zero is in their intervals."""
    rows = []
    for pair, estimate in analysis.approaches.differences.items():
        ends = estimate.ci95
        verdict = "–" if ends is None else "agree" if ends[0] <= 0 <= ends[1] else "differ"
        rows.append((pair.replace("-", " − "), f"{estimate:.3f}", verdict))
    return table(("approaches", "difference of a (95 %)", "verdict"), rows)


def variants(analysis: Analysis) -> Table:
    """Other ways through the same points, beside approach 3."""
    approaches = analysis.approaches
    rows = []
    for name, each in approaches.variants.items():
        apart = approaches.variant_differences.get(name)
        rows.append((name, f"{each.a:.3f}", f"{each.b:.3f}", f"{apart:.3f}" if apart else "–"))
    return table(("variant", "a", "b", "a minus that of approach 3"), rows)


def published() -> Table:
    """The published values that stand beside the fit: source, count of N, interval, how far to trust them."""
    keys = dict.fromkeys(["kaplan2020", *(key for group in PUBLISHED_BESIDE.values() for key in group)])
    rows = []
    for entry in (PUBLISHED[key] for key in keys):
        ends = (
            f" [{entry.a_ci[0]}, {entry.a_ci[1]}] ({entry.a_ci_level:.0%})" if entry.a_ci and entry.a_ci_level else ""
        )
        words = "; ".join(part for part in (entry.precision, entry.note) if part)
        rows.append((entry.key, entry.source, COUNT_WORDS[entry.n_convention], f"{entry.a}{ends}", words))
    return table(("key", "source", "N counts", "a", "precision and notes"), rows)


def parameters(analysis: Analysis) -> Table:
    """The parametric law and what follows from it."""
    fitted = analysis.approaches.parametric
    every = {**fitted.params, **fitted.derived}
    return table(
        ("parameter", "value", "95 % interval"),
        [
            (name, number(e.value), "–" if e.ci95 is None else f"{number(e.ci95[0])} to {number(e.ci95[1])}")
            for name, e in every.items()
        ],
    )


def aims(judged: Sequence[Aim]) -> Table:
    """What the sweep wanted of its law, and what it got."""
    rows = [(aim.what, aim.wanted, number(aim.measured), "met" if aim.met else "missed") for aim in judged]
    return table(("aim", "wanted", "measured", "verdict"), rows)


def aim_lines(judged: Sequence[Aim]) -> list[str]:
    """The same for a terminal: how many are met, and each that is missed."""
    if not judged:
        return []
    missed = [f"  {aim.what}: {number(aim.measured)}, wanted {aim.wanted}" for aim in judged if not aim.met]
    return [
        f"{len(judged) - len(missed)} of {len(judged)} aims of the sweep are met{', missed:' if missed else ''}",
        *missed,
    ]


def noise_sentence(analysis: Analysis) -> str:
    """Residuals beside what seeds alone imply, and the lack-of-fit test."""
    quality = analysis.quality
    n_cells = len(analysis.approaches.cells)
    start = f"The residuals of the parametric law over {n_cells} cells are {quality.residual_rms:.2%} rms"
    if quality.seed_rms is None or quality.ratio is None:
        return f"{start}; the noise is unidentified, as no (N, D) was trained with two seeds."
    lack = ""
    if quality.lack_of_fit_p is not None:
        verdict = "the law misses more than noise" if quality.lack_of_fit_p < NO_LACK else "no lack of fit is seen"
        lack = f" The F test of lack of fit gives p = {quality.lack_of_fit_p:.2g}: {verdict}."
    ratio = f"{start}; seed noise alone implies {quality.seed_rms:.2%}, a ratio of {quality.ratio:.2f}.{lack}"
    fitting = _laws_that_fit(analysis)
    return f"{ratio} Laws of the forecast table in which no lack is seen: {', '.join(fitting)}." if fitting else ratio


def _laws_that_fit(analysis: Analysis) -> list[str]:
    """Ranked laws that leave no more than noise, best forecast first; none if the report's own is one of them."""
    quality = analysis.quality
    if analysis.ranking is None or quality.lack_of_fit_p is None or quality.lack_of_fit_p >= NO_LACK:
        return []
    table = analysis.ranking.table
    return table.law[table.lack_of_fit_p.astype(float) >= NO_LACK].tolist()


def offset_sentence(analysis: Analysis, labels: Labels) -> str:
    """What the profile says about E."""
    profile = analysis.profile
    low, high = profile.ci95
    if profile.identified:
        return (
            f"The data bound the irreducible loss away from zero: E = {profile.value:.3f} nats/{labels.unit} by least "
            f"squares, 95 % profile interval {low:.3f} to {high:.3f}."
        )
    return (
        f"The data do not identify the irreducible loss: any E from 0 to {high:.3f} nats/{labels.unit} "
        "fits within the 95 % interval."
    )


def counts(analysis: Analysis, exact: ExactAllocation | None, exact_reason: str | None = None) -> Table:
    """Exponent a under each count of N and of C, or why a count could not be fitted."""
    every = {analysis.runs.count: analysis.approaches, **analysis.other_counts}
    rows = [
        (
            f"{count_words(count)}, C = {approaches.parametric.cost.convention}",
            *(f"{a.a:.3f}" for a in approaches.approaches.values()),
        )
        for count, approaches in every.items()
    ]
    failed = {f"{count_words(count)}, C = 6ND": reason for count, reason in analysis.count_reasons.items()}
    words = f"{count_words(analysis.runs.count)}, C = exact matmul FLOPs"
    if exact is not None:
        low, high = exact.ratio
        rows.append((f"{words} ({low:.2f} to {high:.2f} × 6ND)", "–", "–", f"{exact.a:.3f}"))
    elif exact_reason is not None:
        failed[words] = exact_reason
    rows += [(label, f"not fitted: {reason}", "–", "–") for label, reason in failed.items()]
    return table(("N and C", "a, approach 1", "a, approach 2", "a, approach 3"), rows)


def ranking(analysis: Analysis) -> Table:
    """Laws by the error of their forecasts over expanding windows, best first; those left out with the reason."""
    columns = ("law", "mean error", "skill against the last budget's loss", "skill against a power law in C", "windows")
    columns += ("inside its 95 % interval",)
    columns += ("residuals over seed noise", "lack of fit, p")
    if analysis.ranking is None:
        return table(columns, ())
    rows = [_ranked(row) for row in analysis.ranking.table.to_dict(orient="records")]
    left_out = [(f"{row['what']}: {row['reason']}", *"–––––––") for row in analysis.ranking.excluded]
    return table(columns, [*rows, *left_out])


def _ranked(row: Mapping[Any, Any]) -> tuple[str, ...]:
    quality = ("–" if row[name] is None else f"{row[name]:.2g}" for name in ("residual_ratio", "lack_of_fit_p"))
    skills = (f"{row[name]:.2f}" for name in SKILLS)
    return (
        row["law"],
        f"{row['mean_abs_rel_error']:.2%}",
        *skills,
        str(row["windows"]),
        str(row["windows_inside"]),
        *quality,
    )


def influence(analysis: Analysis) -> Table:
    """Cells whose leaving out moves the exponent of approach 3 the most."""
    moves = analysis.influence
    if moves is None:
        return table(("left out",), ())
    moved = [name for name in ("a", "b", *analysis.approaches.parametric.law.exponents) if name in moves.frame]
    rows = [
        (row["run"], f"{row['residual']:+.2%}", *(f"{row[name]:+.4f}" for name in moved))
        for row in moves.frame.head(MOST_INFLUENTIAL).to_dict(orient="records")
    ]
    return table(("left out", "residual", *(f"{name} moves by" for name in moved)), rows)


def excluded(analysis: Analysis) -> Table:
    """What each approach leaves out, with the reason."""
    rows = [
        (f"approach {name}", row["what"], row["reason"])
        for name, each in analysis.approaches.approaches.items()
        for row in each.excluded
    ]
    return table(("where", "what", "reason"), rows)
