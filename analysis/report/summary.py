"""Everything a report says, as one document and as rows of a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from analysis.fitting.goodness_of_fit import FitQuality, OffsetProfile, fit_quality, profile_offset
from analysis.fitting.result import FitResult
from analysis.frontier.approaches import Approach, Approaches, three_approaches
from analysis.frontier.one_variable_laws import OneVariableLaw, one_variable_laws
from analysis.frontier.verdict import verdict
from analysis.laws.chinchilla import chinchilla, skaling, tied
from analysis.laws.kaplan import kaplan_lc_offset, kaplan_ln_d
from analysis.laws.law import Law
from analysis.laws.published import PUBLISHED
from analysis.report.second_process import Share, in_turn
from analysis.runs.budgets import budget_groups
from analysis.runs.conventions import token_unit
from analysis.runs.curves import Curves, curves_of
from analysis.runs.selection import COUNTS, Count, Runs
from analysis.to_json import document, to_json
from analysis.validation.holdout import Holdout, forecast_sentence, hold_out_budgets
from analysis.validation.influence import Influence, leave_one_out
from analysis.validation.law_ranking import Ranking, rank_laws
from analysis.validation.text_noise import LIMIT, text_noise
from scaling_harness.errors import HarnessError

T = TypeVar("T")
PUBLISHED_BESIDE = {
    "1": ("hoffmann2022_approach1",),
    "2": ("hoffmann2022_approach2", "porian2024"),
    "3": ("hoffmann2022", "besiroglu2024"),
}
SEED_RATIO_LIMIT = 1.5
MOST_INFLUENTIAL = 10
"""Runs of the influence part, those that move the exponent most."""
RANKED = (chinchilla, tied, skaling, kaplan_ln_d, kaplan_lc_offset)


@dataclass(frozen=True)
class LawChecks:
    """A law fitted to the cells, its residuals against seed noise, and the profile of its E."""

    fit: FitResult
    quality: FitQuality
    profile: OffsetProfile


@dataclass(frozen=True)
class Analysis:
    """All results on one set of runs: what the summary, the table and the figures are made of.

    ``other_counts`` holds the approaches under the other counts of N, if records have them, and
    ``count_reasons`` why there are none under a count that could not be fitted;
    ``curves`` the tokens and losses of each run, by its index in ``runs.frame``;
    ``holdout`` is None with ``holdout_reason``, and ``ranking`` None, if there are too few budgets;
    ``influence`` is that of each cell on approach 3;
    ``text_noise`` is the part of the noise of a run's ln L that the choice of the held-out text has, without what all
    runs share; None of runs without losses by block.
    ``third`` is approach 3, Chinchilla's law; ``beside`` the laws that the sweep names beside it, by their names;
    ``forecaster`` what it names for its forecast, a law or the mixture of forms.
    """

    runs: Runs
    approaches: Approaches
    third: LawChecks
    beside: Mapping[str, LawChecks]
    kaplan: Mapping[str, OneVariableLaw]
    holdout: Holdout | None
    holdout_reason: str | None
    other_counts: Mapping[str, Approaches]
    curves: Curves
    ranking: Ranking | None = None
    influence: Influence | None = None
    text_noise: float | None = None
    count_reasons: Mapping[str, str] = field(default_factory=dict)
    forecaster: str = chinchilla.name

    @property
    def declared(self) -> LawChecks:
        """The law that the sweep names for its forecast: approach 3's if it names no other."""
        return self.beside.get(self.forecaster, self.third)

    @property
    def closest(self) -> LawChecks:
        """Of approach 3 and the laws beside it, the one with the smallest residuals."""
        return min(self.laws.values(), key=lambda checks: checks.quality.residual_rms)

    @property
    def laws(self) -> dict[str, LawChecks]:
        """Approach 3 and the laws beside it, by what they are called in sentences."""
        return {"approach 3": self.third, **self.beside}

    def __repr__(self) -> str:
        return f"<Analysis of {self.runs!r}: {self.approaches!r}>"


def analyse(
    runs: Runs,
    *,
    law: Law = chinchilla,
    beside: Sequence[Law] = (),
    hold_out: int = 1,
    resamples: int = 1000,
    seed: int = 0,
    share: Share = in_turn,
) -> Analysis:
    """Fit, forecast and check.

    Parameters
    ----------
    runs : Runs
        From `load_runs`.
    law : Law
        Law of the forecast; if it is not Chinchilla's, which approach 3 always has, it is fitted beside it.
    beside : sequence of Law
        Further forms that are fitted beside approach 3.
    hold_out : int
        Largest budgets left out for the forecast.
    resamples, seed : int
        Number of the shared noise draws, and their seed.
    share : callable
        Makes calls that do not depend on each other, see `second_process`.

    Returns
    -------
    Analysis

    Raises
    ------
    HarnessError
        Too few runs or levels for the parametric fit.
    """
    curves = curves_of(runs, share)
    options = {"beside": (law, *beside), "curves": curves, "resamples": resamples, "seed": seed}
    counts = _other_counts(runs)
    approaches, *others = share(
        [
            partial(three_approaches, runs, **options),
            *(partial(or_reason, partial(_under, runs, count, options)) for count in counts),
        ]
    )
    cells, frontier = approaches.cells, approaches.approaches["2"].points
    ranked, held, kaplan, checked, influence = share(
        [
            partial(or_reason, partial(rank_laws, cells, RANKED, hold_out)),
            partial(or_reason, partial(hold_out_budgets, cells, law, hold_out)),
            partial(one_variable_laws, cells, frontier, resamples, token_unit(runs)),
            partial(_checked, approaches),
            partial(_influence, approaches),
        ]
    )
    by_count = dict(zip(counts, others, strict=True))
    return Analysis(
        runs=runs,
        approaches=approaches,
        third=checked[0],
        beside=checked[1],
        kaplan=kaplan,
        holdout=held[0],
        holdout_reason=held[1],
        other_counts={count: made for count, (made, _) in by_count.items() if made},
        curves=curves,
        ranking=ranked[0],
        influence=influence,
        text_noise=_text_noise(runs),
        count_reasons={count: reason for count, (made, reason) in by_count.items() if not made},
        forecaster=law.name,
    )


def _text_noise(runs: Runs) -> float | None:
    blocks = list(runs.frame["loss_blocks"]) if "loss_blocks" in runs.frame else []
    return text_noise(blocks) if all(isinstance(each, list) for each in blocks) else None


def _checked(approaches: Approaches) -> tuple[LawChecks, dict[str, LawChecks]]:
    """Checks of approach 3, and of the laws beside it."""
    cells, noise = approaches.cells, approaches.noise

    def checks(fitted: FitResult) -> LawChecks:
        quality = fit_quality(fitted.law, cells, noise, fitted.residual_rms)
        return LawChecks(fitted, quality, profile_offset(fitted.law, cells))

    return checks(approaches.parametric), {name: checks(fitted) for name, fitted in approaches.beside.items()}


def or_reason(work: Callable[[], T]) -> tuple[T | None, str | None]:
    """What the work gives, or None and the sentence why it failed: it stands beside the headline, which goes on."""
    try:
        return work(), None
    except (HarnessError, ArithmeticError, ValueError) as error:
        return None, str(error)


def _other_counts(runs: Runs) -> list[Count]:
    """The other counts of N that the records have."""
    return [count for count in COUNTS if count != runs.count and f"n_params_{count}" in runs.frame]


def _under(runs: Runs, count: Count, options: Mapping[str, Any]) -> Approaches:
    """The approaches under another count of N."""
    return three_approaches(runs.with_count(count), **options)


def _influence(approaches: Approaches) -> Influence:
    cells = approaches.cells
    labels = [f"N = {n:.4g}, D = {d:.4g}" for n, d in zip(cells.N, cells.D, strict=True)]
    return leave_one_out(cells, approaches.parametric.law, labels=labels, weights=cells.n_seeds.to_numpy(float))


def summary_document(analysis: Analysis) -> dict[str, Any]:
    """The document `summary.json` of an analysis."""
    frame, approaches = analysis.runs.frame, analysis.approaches
    budgets = [float(approaches.cells.C.iloc[rows].mean()) for rows in budget_groups(approaches.cells.C.to_numpy())]
    parts = {
        "count": analysis.runs.count,
        "approaches": {name: _approach(each) for name, each in approaches.approaches.items()},
        "differences": approaches.differences,
        "agree": approaches.agree,
        "verdict": verdict(approaches),
        "variants": {name: _approach(each) for name, each in approaches.variants.items()},
        "parabola_bias": approaches.parabola_bias,
        "parametric": _law_document(analysis.third),
        "beside": {name: _law_document(each) for name, each in analysis.beside.items()},
        "kaplan": analysis.kaplan,
        "holdout": analysis.holdout or {"reason": analysis.holdout_reason},
        "ranking": analysis.ranking,
        "text_noise": analysis.text_noise,
        "influence": analysis.influence and analysis.influence.top(MOST_INFLUENTIAL),
        "counts": {count: _exponents(other) for count, other in analysis.other_counts.items()}
        | {count: {"reason": reason} for count, reason in analysis.count_reasons.items()},
        "budgets": budgets,
        "n_runs": len(frame),
        "n_dropped": len(analysis.runs.dropped),
        "dropped": analysis.runs.dropped,
        "train_flops": _total(frame, "C"),
        "spent_flops": _total(frame, "spent_flops"),
        "wall_s": elapsed_s(frame),
        "run_s": _total(frame, "wall_s"),
        "peak_memory_bytes": _largest(frame, "peak_memory_bytes"),
        "warnings": warnings_of(analysis),
    }
    return to_json(parts)


def _law_document(checks: LawChecks) -> dict[str, Any]:
    return {**document(checks.fit), **vars(checks.quality), "E_profile": checks.profile}


def elapsed_s(frame: pd.DataFrame) -> float | None:
    """Seconds in which at least one of the runs was training: pauses between launches do not count.

    Parameters
    ----------
    frame : DataFrame
        `started` and `ended` of each run's last attempt, ISO 8601.

    Returns
    -------
    float or None
        None if the times are not known.
    """
    if not {"started", "ended"} <= set(frame) or frame.started.isna().any() or frame.ended.isna().any():
        return None
    spans = pd.DataFrame({name: pd.to_datetime(frame[name]) for name in ("started", "ended")}).sort_values("started")
    reached = spans.ended.cummax().shift()
    begins = spans.started.where(reached.isna() | (spans.started > reached), reached)
    return float((spans.ended - begins).clip(lower=pd.Timedelta(0)).sum().total_seconds())


def _total(frame: pd.DataFrame, column: str) -> float | None:
    return float(np.sum(frame[column].to_numpy(float))) if column in frame else None


def _largest(frame: pd.DataFrame, column: str) -> int | None:
    return int(np.max(frame[column].to_numpy())) if column in frame else None


def _approach(each: Approach) -> dict[str, Any]:
    return {
        "a": each.a,
        "b": each.b,
        "n_points": len(each.points),
        "excluded": each.excluded,
        "warnings": each.warnings,
    }


def _exponents(approaches: Approaches) -> dict[str, Any]:
    each = {**approaches.approaches, **{name: approaches.variants[name] for name in approaches.beside}}
    return {name: {"a": one.a, "b": one.b} for name, one in each.items()}


def warnings_of(analysis: Analysis) -> list[str]:
    """Every sentence a reader needs before believing the numbers."""
    approaches = analysis.approaches
    sentences = [s for each in approaches.approaches.values() for s in each.warnings]
    for name, variant in approaches.variants.items():
        sentences += [f"variant {name}: {s}" for s in variant.warnings if variant.a.ci95]
    for count, other in analysis.other_counts.items():
        sentences += [f"N {count}, approach 2: {s}" for s in other.approaches["2"].warnings if "C varies" in s]
    if approaches.agree is False:
        sentences.append(verdict(approaches).sentence)
    if analysis.third.quality.ratio is None:
        sentences.append("noise unidentified: no (N, D) was trained with two seeds")
    for name, checks in analysis.laws.items():
        sentences += _law_warnings(name, checks, token_unit(analysis.runs))
    noise = approaches.noise
    if analysis.text_noise and noise and analysis.text_noise > LIMIT * noise.sd:
        sentences.append(
            f"the held-out text adds {analysis.text_noise:.2%} to the noise of a run, above {LIMIT:g} of the seeds' "
            f"{noise.sd:.2%}: raise evaluation.final_n_tokens"
        )
    if analysis.holdout_reason:
        sentences.append(analysis.holdout_reason)
    return list(dict.fromkeys((*analysis.runs.notes, *sentences)))


def _law_warnings(name: str, checks: LawChecks, unit: str) -> list[str]:
    """A law that misses more than noise, and one whose E is not known."""
    ratio, profile, sentences = checks.quality.ratio, checks.profile, []
    if ratio is not None and ratio > SEED_RATIO_LIMIT:
        sentences.append(f"{name}: residuals are {ratio:.2f} times what seeds imply: the law misses something")
    if not profile.identified:
        sentences.append(f"{name}: E unidentified, these runs allow any E up to {profile.ci95[1]:.3g} nats per {unit}")
    return sentences


def table_rows(analysis: Analysis) -> list[tuple[str, str, str, str]]:
    """Rows of the terminal table: quantity, value with interval, published beside it, how it was got."""
    rows = []
    for name, each in analysis.approaches.approaches.items():
        how = f"approach {name}, {len(each.points)} points, {len(each.excluded)} left out"
        beside = ", ".join(f"{PUBLISHED[key].a} ({key})" for key in PUBLISHED_BESIDE[name])
        rows += [("a", f"{each.a:.3f}", beside, how), ("b", f"{each.b:.3f}", "", _how_b(analysis, how))]
    for name in analysis.beside:
        law = analysis.approaches.variants[name]
        how = f"law {name}, beside approach 3"
        rows += [("a", f"{law.a:.3f}", "", how), ("b", f"{law.b:.3f}", "", _how_b(analysis, how))]
    published = PUBLISHED["kaplan2020"].params
    for name, law in analysis.kaplan.items():
        value = f"{law.plain.params['alpha']:.3f}" if law.plain else "–"
        rows.append((name, value, f"{published[name]} (kaplan2020)", law.held_fixed))
    return [*rows, *(_offset_row(name, checks, token_unit(analysis.runs)) for name, checks in analysis.laws.items())]


def _how_b(analysis: Analysis, how: str) -> str:
    """How b was got: nothing was measured for it where C = 6 N D."""
    return "1 - a by construction" if analysis.approaches.parametric.cost.proportional else how


def _offset_row(name: str, checks: LawChecks, unit: str) -> tuple[str, str, str, str]:
    profile, fitted = checks.profile, checks.fit
    value = f"{fitted.params[fitted.law.offset or '']:.3f}"
    shown = value if profile.identified else f"unidentified (< {profile.ci95[1]:.3f})"
    return ("E", shown, "", f"{name}, nats per {unit}")


def forecast_line(analysis: Analysis) -> str:
    """The forecast, or why there is none."""
    return forecast_sentence(analysis.holdout) if analysis.holdout else f"no forecast: {analysis.holdout_reason}"
