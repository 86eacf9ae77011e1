"""From Kaplan's .73 to Chinchilla's .50 by the steps of Pearce and Song and of Porian et al., measured here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from analysis.fitting.estimate import Estimate
from analysis.frontier.approaches import three_approaches
from analysis.papers import porian2024
from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper
from analysis.papers.kaplan2020.evidence import Evidence as KaplanEvidence
from analysis.papers.kaplan2020.evidence import exponent
from analysis.papers.pearce2024.ladder import SWEEP as LADDER
from analysis.papers.pearce2024.ladder import WORDS
from analysis.papers.pearce2024.measured import COUNTS, Exponent, Ladder, measured_exponents
from analysis.papers.pearce2024.synthetic import synthetic_frontier
from analysis.papers.porian2024.steps import STEPS, StepExponent, change, measured_steps, published_value
from analysis.papers.tidy import Panel, rows, tidy, with_room
from analysis.runs.load import load_runs
from scaling_harness.errors import HarnessError

FIXED_BATCH, TIER, FIVE = ("kaplan/sizes",), ("reproduce-standard",), ("porian/steps",)
KAPLAN, KAPLAN_NAIVE, CHINCHILLA = 0.73, 0.88, 0.50
RESAMPLES = 300
PRINTED, OURS, PREDICTED = "printed", "ours, 95 %", "closed form of our ladder's law, 95 %"
PEARCE: Mapping[str, str] = {"non_embedding": ".78", "with_head": ".51"}
"""Exponents of Pearce and Song's synthetic runs, by what N and C count."""


@dataclass(frozen=True)
class Walk:
    """Runs of one step, from the paths that it needs; nothing is read until it is asked for."""

    paths: tuple[Path, ...]

    @cached_property
    def ladder(self) -> dict[str, Exponent]:
        """Exponents of Pearce's ladder by each count.

        Raises
        ------
        LackingRunsError
            No runs are given.
        """
        ladder = Ladder.of(self.paths)
        if ladder is None:
            raise LackingRunsError("no runs are given")
        return measured_exponents(ladder)

    @cached_property
    def five(self) -> dict[int, StepExponent]:
        """Porian's steps that have an exponent, by their numbers."""
        found = measured_steps(porian2024.Evidence.of(self.paths))
        return {each.step.number: each for each in found if np.isfinite(each.a.value)}

    @cached_property
    def tier(self) -> dict[str, dict[str, Estimate]]:
        """Exponents of the main experiment by count and approach."""
        runs = load_runs(self.paths[0])
        found = {}
        for count in COUNTS:
            fitted = three_approaches(runs.with_count(count), curves={}, resamples=RESAMPLES)
            found[count] = {name: each.a for name, each in fitted.approaches.items() if np.isfinite(each.a.value)}
        return found

    @cached_property
    def fixed_batch(self) -> Estimate:
        """Exponent of the envelope of Kaplan's sizes at their one batch, N and C without the vocabulary."""
        return exponent(KaplanEvidence.of(self.paths).envelope, "C", "N")


def _of(paths: Sequence[Path]) -> Walk:
    return Walk(tuple(paths))


Asked = tuple[str, str, str, tuple[str, ...], Callable[[Walk], str]]
"""A step, its cause, its published exponent, the sweeps that feed it, and our exponent from them."""


def _of_ladder(count: str) -> Callable[[Walk], str]:
    def said(walk: Walk) -> str:
        found = walk.ladder[count]
        return f"{found.measured:.3f}; by its own law {found.predicted:.3f}"

    return said


def ladder_change(found: Mapping[str, Exponent]) -> Estimate:
    """What counting one matrix of the vocabulary moves the ladder's exponent by; both from the same draws of noise."""
    before, after = found["non_embedding"], found["with_head"]
    slopes = [
        np.polyfit(np.log(each.C), np.log(each.N_draws).T, 1)[0] if len(each.N_draws) else np.array([])
        for each in (before, after)
    ]
    return Estimate.from_draws(after.measured.value - before.measured.value, slopes[1] - slopes[0])


def _of_tier(count: str) -> Callable[[Walk], str]:
    def said(walk: Walk) -> str:
        return "; ".join(f"approach {name} {a:.2f}" for name, a in walk.tier[count].items())

    return said


def _approach_1(walk: Walk) -> str:
    found = walk.tier["with_head"]
    if "1" not in found:
        raise LackingRunsError("fewer than four sizes were trained to several budgets")
    return f"{found['1']:.2f}"


def _of_step(number: int) -> Callable[[Walk], str]:
    def said(walk: Walk) -> str:
        if number not in walk.five:
            raise LackingRunsError("the budgets have no minimum inside their sizes")
        found = walk.five[number]
        before = walk.five.get(number - 1)
        moved = f"; moved by {change(before, found):+.3f}" if before else ""
        return f"{found.a:.3f}{moved}"

    return said


def _synthetic(count: str) -> Callable[[Walk], str]:
    kind = "non_embedding" if count == "non_embedding" else "total"
    return lambda _: f"{synthetic_frontier('besiroglu2024', kind).size:.3f}, no runs"


ASKED: tuple[Asked, ...] = (
    (
        "Kaplan, one batch for all",
        "the envelope of curves at a fixed batch, nothing corrected",
        ".88",
        FIXED_BATCH,
        lambda walk: f"{walk.fixed_batch:.2f}",
    ),
    ("Kaplan, C_min", "the batch's cost taken off", ".73", (), lambda _: "see `reproduce kaplan2020`"),
    *(
        (
            f"Pearce and Song, {words}",
            "if Chinchilla's law holds, the vocabulary's share of N bends N_opt at Kaplan's sizes"
            if count == "non_embedding"
            else "the same synthetic runs, the vocabulary counted",
            PEARCE[count],
            (),
            _synthetic(count),
        )
        for count, words in (("non_embedding", "without the vocabulary"), ("with_head", "with it"))
    ),
    *(
        (f"the same measured, {WORDS[count]}", "a ladder with 1,024 tokens", "–", (LADDER,), _of_ladder(count))
        for count in COUNTS
    ),
    (
        "what counting moves on that ladder",
        "with one matrix of the vocabulary less without",
        "-.27, synthetic",
        (LADDER,),
        lambda walk: f"{ladder_change(walk.ladder):+.3f}",
    ),
    *(
        (f"the main experiment, {WORDS[count]}", "bytes: a vocabulary of 256", "–", TIER, _of_tier(count))
        for count in COUNTS
    ),
    *(
        (
            f"Porian {step.number}, {step.words}",
            step.cause,
            f"{published_value(step, 'rw').value:.3f}",
            FIVE,
            _of_step(step.number),
        )
        for step in STEPS
    ),
    (
        "Hoffmann, approach 1",
        "counted with the vocabulary, cosine of the run's length",
        ".50",
        TIER,
        _approach_1,
    ),
)


def walk_rows(evidence_of: Callable[[tuple[str, ...]], Walk]) -> list[LawRow]:
    """Each step: its published exponent, ours with its interval, and its cause; or the command that trains it."""
    found = []
    for step, cause, published, needs, ours in ASKED:
        try:
            found.append(LawRow(step, published, ours(evidence_of(needs)), cause))
        except HarnessError as error:
            found.append(LawRow(step, published, "–", f"{cause}; not measured: {error}"))
    return found


PRINTED_WALK: tuple[tuple[str, float], ...] = (
    ("Kaplan,\nfixed batch", KAPLAN_NAIVE),
    ("Kaplan,\nC_min", KAPLAN),
    ("Pearce,\nN without", 0.78),
    ("Pearce,\nN with", 0.51),
    *((f"Porian {step.number}", published_value(step, "rw").value) for step in STEPS),
    ("Hoffmann,\napproach 1", CHINCHILLA),
)


def _estimates(panel: str, series: str, x: ArrayLike, found: Sequence[Estimate]) -> pd.DataFrame:
    low, high = np.array([each.ci95 or (np.nan, np.nan) for each in found]).T
    return rows(panel, series, "points", x, [each.value for each in found], low=low, high=high)


def _ends(panel: str, last: float) -> list[pd.DataFrame]:
    """Kaplan's and Chinchilla's exponents across a panel."""
    lines = (("Kaplan, .73", KAPLAN), ("Chinchilla, .50", CHINCHILLA))
    return [rows(panel, words, "paper", [0, last], [value] * 2) for words, value in lines]


def _figure_printed(_: Walk) -> pd.DataFrame:
    at = np.arange(len(PRINTED_WALK))
    values = [Estimate(value) for _, value in PRINTED_WALK]
    for i, step in enumerate(STEPS):
        values[4 + i] = published_value(step, "rw")
    return tidy([_estimates("walk", PRINTED, at, values), *_ends("walk", at[-1])], "token")


def _found_printed(table: pd.DataFrame) -> str:
    values = table.loc[table["series"] == PRINTED, "y"].to_numpy(float)
    counted, rest = values[4] - values[5], values[5] - values[8]
    return (
        f"Of Porian's way from {values[4]:.2f} to {values[8]:.2f} counting the last layer takes {counted:.2f}, the "
        f"rest {rest:.2f}; Pearce and Song put {values[2] - values[3]:.2f} on counting alone."
    )


def _figure_counting(walk: Walk) -> pd.DataFrame:
    found = walk.ladder
    at = np.arange(len(COUNTS))
    parts = [
        _estimates("walk", OURS, at - 0.05, [found[count].measured for count in COUNTS]),
        _estimates("walk", PREDICTED, at + 0.05, [found[count].predicted for count in COUNTS]),
    ]
    return tidy([*parts, *_ends("walk", at[-1])], "token")


def _found_counting(table: pd.DataFrame) -> str:
    ours, law = (table.loc[table["series"] == series] for series in (OURS, PREDICTED))
    moved = ours["y"].iloc[0] - ours["y"].iloc[1]
    apart = ours["low"].iloc[0] > ours["high"].iloc[1]
    return (
        f"Counting one matrix of the vocabulary takes {moved:.2f} off the exponent ({ours['y'].iloc[0]:.2f} to "
        f"{ours['y'].iloc[1]:.2f}, intervals {'apart' if apart else 'overlap'}); the ladder's own law says "
        f"{law['y'].iloc[0] - law['y'].iloc[1]:.2f}."
    )


def _figure_tier(walk: Walk) -> pd.DataFrame:
    parts = []
    for i, name in enumerate("123"):
        there = [(at, walk.tier[count][name]) for at, count in enumerate(COUNTS) if name in walk.tier[count]]
        if there:
            x, found = zip(*there, strict=True)
            parts.append(_estimates("walk", f"approach {name}, 95 %", [at + 0.08 * (i - 1) for at in x], found))
    return tidy([*parts, *_ends("walk", len(COUNTS) - 1)], "byte")


def _found_tier(table: pd.DataFrame) -> str:
    said = []
    for series, part in table.loc[table["kind"] == "points"].groupby("series"):
        values = ", ".join(f"{y:.2f} [{low:.2f}, {high:.2f}]" for y, low, high in part[["y", "low", "high"]].to_numpy())
        said.append(f"{str(series).split(',')[0]}: {values}")
    second = table.loc[table["series"] == "approach 2, 95 %"]
    moved = ""
    if len(second) > 1:
        apart = second["low"].iloc[0] > second["high"].iloc[1]
        words = "do not overlap" if apart else "overlap"
        moved = (
            f"; counting moves approach 2 by {second['y'].iloc[1] - second['y'].iloc[0]:+.2f}, its intervals {words}"
        )
    return f"Without the vocabulary, with one matrix, with both: {'; '.join(said)}{moved}."


def _figure_porian(walk: Walk) -> pd.DataFrame:
    numbers = sorted(walk.five)
    parts = [
        _estimates("walk", OURS, [n - 1.05 for n in numbers], [walk.five[n].a for n in numbers]),
        _estimates("walk", PRINTED, [s.number - 0.95 for s in STEPS], [published_value(s, "rw") for s in STEPS]),
    ]
    return tidy([*parts, *_ends("walk", len(STEPS) - 1)], "byte")


def _found_porian(table: pd.DataFrame) -> str:
    ours = table.loc[table["series"] == OURS]
    steps = ours["y"].diff().dropna()
    said = ", ".join(f"{y:.2f} [{low:.2f}, {high:.2f}]" for y, low, high in ours[["y", "low", "high"]].to_numpy())
    down = int((steps < 0).sum())
    return f"Ours: {said}; {down} of {len(steps)} steps go down (paper: all of four, .84 to .50)."


def _named(labels: Sequence[str]) -> Callable[[Axes, pd.DataFrame], Axes]:
    """Drawing of exponents over named steps."""
    panel = Panel("", "", "exponent a of N_opt ~ C^a", log_x=False, log_y=False)
    plain = with_room({"walk": panel}, below=0.4)

    def draw(ax: Axes, frame: pd.DataFrame) -> Axes:
        plain(ax, frame)
        ax.set_xlabel("step")
        ax.set_xticks(range(len(labels)), labels, fontsize=6)
        return ax

    return draw


COUNT_LABELS = ("no vocabulary", "one matrix of it", "embedding and head")
FIGURES = (
    Figure(
        "printed",
        "The printed exponents",
        "from .88 and .73 down to .50: counting takes most, warm-up and tuning the rest.",
        "nothing is measured here.",
        (),
        _figure_printed,
        _named([words for words, _ in PRINTED_WALK]),
        _found_printed,
    ),
    Figure(
        "counting",
        "Pearce and Song's step, measured",
        "the exponent is steeper where the vocabulary is not counted, as the ladder's own law says.",
        "1,024 tokens: N with embedding and head is 5 to 1.7 times N without; half-widths of .03, a step of .15.",
        (LADDER,),
        _figure_counting,
        _named(COUNT_LABELS),
        _found_counting,
    ),
    Figure(
        "tiers",
        "The same on the main experiment, whose tokens are bytes",
        "a smaller step in the same direction: a vocabulary of 256 is 40 to 7 % of N.",
        "the archive of the standard tier; half-widths of .02 by approach 2.",
        TIER,
        _figure_tier,
        _named(COUNT_LABELS),
        _found_tier,
    ),
    Figure(
        "porian",
        "Porian's five steps, measured",
        "each step lowers the exponent: the last layer, the warm-up, the cosine, the tuning.",
        "budgets of 5e9 to 1.6e11; half-widths as its page says.",
        FIVE,
        _figure_porian,
        _named([f"{step.number} {step.words}" for step in STEPS]),
        _found_porian,
    ),
)
reconciliation = Paper(
    "reconciliation",
    "From Kaplan's .73 to Chinchilla's .50",
    FIGURES,
    _of,
    walk_rows,
    {"quick": {LADDER: LADDER, "porian/steps": "porian/steps"}},
)
