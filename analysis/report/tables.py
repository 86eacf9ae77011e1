"""Results as the sentences and tables of a report, in plain text: the template only lays them out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.figures.style import Labels
from analysis.fitting.goodness_of_fit import FitQuality, OffsetProfile
from analysis.fitting.result import FitResult
from analysis.frontier.exact_flops import ExactAllocation
from analysis.laws.published import PUBLISHED
from analysis.report.summary import MOST_INFLUENTIAL, PUBLISHED_BESIDE, Analysis, LawChecks
from analysis.report.targets import Aim
from analysis.runs.replicates import FALL_WITH_COMPUTE

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


def parameters(analysis: Analysis) -> list[tuple[str, Table]]:
    """Each parametric law, approach 3's first, with its parameters and what follows from them."""
    return [
        (f"{name[:1].upper()}{name[1:]}: {checks.fit.law.formula}", _parameters(checks.fit))
        for name, checks in analysis.laws.items()
    ]


def _parameters(fitted: FitResult) -> Table:
    rows = [
        (name, number(e.value), "–" if e.ci95 is None else f"{number(e.ci95[0])} to {number(e.ci95[1])}")
        for name, e in {**fitted.params, **fitted.derived}.items()
    ]
    return table(("parameter", "value", "95 % interval"), rows)


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


def noise_sentences(analysis: Analysis) -> list[str]:
    """Residuals of approach 3, and of the laws beside it, beside what seeds alone imply; and the lack-of-fit tests."""
    n_cells = len(analysis.approaches.cells)
    sentences = [_noise_sentence(name, checks, n_cells) for name, checks in analysis.laws.items()]
    fitting = _laws_that_fit(analysis)
    return [
        *sentences,
        *_text_sentence(analysis),
        *([f"Laws of the forecast table in which no lack is seen: {', '.join(fitting)}."] * bool(fitting)),
    ]


def _text_sentence(analysis: Analysis) -> list[str]:
    """What the choice of the held-out text adds to differences between runs."""
    noise = analysis.approaches.noise
    if analysis.text_noise is None or noise is None:
        return []
    return [
        f"The choice of the held-out text adds {analysis.text_noise:.3%} of the loss to what tells two runs apart, "
        f"{analysis.text_noise / noise.sd:.2f} of the noise of a seed (paired bootstrap over blocks of the text)."
    ]


def _noise_sentence(name: str, checks: LawChecks, n_cells: int) -> str:
    quality = checks.quality
    start = (
        f"The residuals of {name}, {checks.fit.law.formula}, over {n_cells} cells are {quality.residual_rms:.2%} rms"
    )
    if quality.seed_rms is None or quality.ratio is None:
        return f"{start}; the noise is unidentified, as no (N, D) was trained with two seeds."
    ratio = f"{start}; seed noise alone implies {quality.seed_rms:.2%}, a ratio of {quality.ratio:.2f}."
    return f"{ratio}{_lack(quality)}"


def _lack(quality: FitQuality) -> str:
    """The test of lack of fit, under even noise and under noise that falls with D or C."""
    if quality.lack_of_fit_p is None:
        return ""
    misses = "the law misses more than noise, so that a part of this is its form's"
    verdict = misses if quality.lack_of_fit_p < NO_LACK else "no lack of fit is seen"
    falling = [f"{p:.2g} if it falls as {x}^{FALL_WITH_COMPUTE:g}" for x, p in quality.lack_of_fit_p_falling.items()]
    under = f" With noise that is not the same everywhere p is {', '.join(falling)}." if falling else ""
    return f" The F test of lack of fit gives p = {quality.lack_of_fit_p:.2g}: {verdict}.{under}"


def _laws_that_fit(analysis: Analysis) -> list[str]:
    """Ranked laws that leave no more than noise, best forecast first; none if approach 3's is one of them."""
    quality = analysis.third.quality
    if analysis.ranking is None or quality.lack_of_fit_p is None or quality.lack_of_fit_p >= NO_LACK:
        return []
    table = analysis.ranking.table
    return table.law[table.lack_of_fit_p.astype(float) >= NO_LACK].tolist()


def offset_sentences(analysis: Analysis, labels: Labels) -> list[str]:
    """What the profiles say about E, approach 3's first."""
    return [_offset_sentence(name, checks.profile, labels.unit) for name, checks in analysis.laws.items()]


def _offset_sentence(name: str, profile: OffsetProfile, unit: str) -> str:
    low, high = profile.ci95
    if profile.identified:
        return (
            f"By {name} the data bound the irreducible loss away from zero: E = {profile.value:.3f} nats/{unit} by "
            f"least squares, 95 % profile interval {low:.3f} to {high:.3f}."
        )
    return (
        f"By {name} the data do not identify the irreducible loss: any E from 0 to {high:.3f} nats/{unit} "
        "fits within the 95 % interval."
    )


def counts(analysis: Analysis, exact: ExactAllocation | None, exact_reason: str | None = None) -> Table:
    """Exponent a under each count of N and of C, or why a count could not be fitted."""
    every = {analysis.runs.count: analysis.approaches, **analysis.other_counts}
    rows = [
        (
            f"{count_words(count)}, C = {approaches.parametric.cost.convention}",
            *(f"{a.a:.3f}" for a in approaches.approaches.values()),
            *(f"{approaches.variants[name].a:.3f}" for name in analysis.beside),
        )
        for count, approaches in every.items()
    ]
    failed = {f"{count_words(count)}, C = 6ND": reason for count, reason in analysis.count_reasons.items()}
    words = f"{count_words(analysis.runs.count)}, C = exact matmul FLOPs"
    if exact is not None:
        low, high = exact.ratio
        rows.append(
            (f"{words} ({low:.2f} to {high:.2f} × 6ND)", "–", "–", f"{exact.a:.3f}", *"–" * len(analysis.beside))
        )
    elif exact_reason is not None:
        failed[words] = exact_reason
    rows += [
        (label, f"not fitted: {reason}", "–", "–", *"–" * len(analysis.beside)) for label, reason in failed.items()
    ]
    laws = (f"a, {name}" for name in analysis.beside)
    return table(("N and C", "a, approach 1", "a, approach 2", "a, approach 3", *laws), rows)


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
