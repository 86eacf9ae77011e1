"""Figures 5 and 6, and the laws: the measured ladder by both counts beside what its own law predicts."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.laws.vocabulary import local_exponent
from analysis.papers.figure import Figure, LackingRunsError, LawRow, PaperTable
from analysis.papers.pearce2024.measured import COUNTS, Exponent, Ladder, measured_exponents
from analysis.papers.pearce2024.synthetic import synthetic_frontier
from analysis.papers.tidy import Panel, drawing, rows, tidy, with_room
from scaling_harness.errors import HarnessError

SWEEP = "pearce/ladder"
WORDS: Mapping[str, str] = {
    "non_embedding": "without the vocabulary",
    "with_head": "with one matrix of it",
    "total": "with embedding and head",
}


def _line(found: Exponent, words: str, slope: float, kind: str) -> pd.DataFrame:
    """A slope through the middle of the best sizes."""
    level = np.log(found.N).mean() - slope * np.log(found.C).mean()
    ends = found.C[[0, -1]]
    return rows(found.count, words, kind, ends, np.exp(level) * ends**slope)


def _figure_5(ladder: Ladder) -> pd.DataFrame:
    parts = []
    for found in measured_exponents(ladder).values():
        low, high = np.percentile(found.N_draws, [2.5, 97.5], axis=0)
        # a best size may lie outside the draws' percentiles: an error bar cannot
        low, high = np.minimum(low, found.N), np.maximum(high, found.N)
        parts.append(rows(found.count, "best size", "points", found.C, found.N, low=low, high=high))
        parts.append(_line(found, f"measured: {found.measured:.3f}", found.measured.value, "fit"))
        parts.append(_line(found, f"predicted: {found.predicted:.3f}", found.predicted.value, "paper"))
    return tidy(parts, "token")


def _found_5(table: pd.DataFrame) -> str:
    said = []
    for count, part in table.groupby("panel", sort=False):
        measured, predicted = (part.loc[part["kind"] == kind, "series"].iloc[0] for kind in ("fit", "paper"))
        said.append(f"{WORDS[str(count)]} {measured}, {predicted}")
    return "; ".join(said) + "."


def _figure_6(ladder: Ladder) -> pd.DataFrame:
    sizes = ladder.cells["non_embedding"]
    N = np.geomspace(sizes.min() / 5, sizes.max() * 50, 200)
    params, drawn = ladder.laws["with_head"].params, ladder.laws_drawn["with_head"]
    g = local_exponent(ladder.vocabulary, params["alpha"], params["beta"], N)
    g_KN = local_exponent(ladder.vocabulary, drawn["alpha"][:, None], drawn["beta"][:, None], N)
    low, high = np.percentile(g_KN, [2.5, 97.5], axis=0)
    parts = [
        rows("exponent", "g of the ladder's own law", "fit", N, g),
        rows("exponent", "its 95 % interval", "paper", [*N, np.nan, *N], [*low, np.nan, *high]),
    ]
    without = ladder.exponent("non_embedding")
    middle = float(np.exp(np.log(without.N).mean()))
    for words, found in (
        ("measured without the vocabulary", without),
        ("measured with it", ladder.exponent("with_head")),
    ):
        ends = found.measured.ci95 or (np.nan, np.nan)
        parts.append(rows("exponent", words, "points", [middle], [found.measured.value], low=[ends[0]], high=[ends[1]]))
    return tidy(parts, "token")


def _found_6(table: pd.DataFrame) -> str:
    points = table.loc[table["kind"] == "points"]
    without, with_it = (row for _, row in points.iterrows())
    apart = without["y"] - with_it["y"]
    seen = without["low"] > with_it["high"]
    return (
        f"The exponents differ by {apart:.3f} ({without['y']:.3f} and {with_it['y']:.3f}); their 95 % intervals are "
        f"{'apart: the count alone moves the exponent' if seen else 'not apart: these runs do not show it'}."
    )


def exponents_table(ladder: Ladder) -> pd.DataFrame:
    """Measured and predicted exponent by each count, and their difference."""
    found = measured_exponents(ladder)
    cells = [
        {
            "N and C count": WORDS[count],
            "best sizes": f"{each.N[0]:,.0f} to {each.N[-1]:,.0f}",
            "C, FLOP": f"{each.C[0]:.2g} to {each.C[-1]:.2g}",
            "measured (95 %)": f"{each.measured:.3f}",
            "error of parabolas": f"{each.of_parabolas:+.3f}",
            "predicted (95 %)": f"{each.predicted:.3f}",
            "measured less that error, minus predicted (95 %)": f"{each.difference:.3f}",
            "prediction": "holds" if _holds(each.difference) else "does not hold",
        }
        for count, each in found.items()
    ]
    return pd.DataFrame(cells)


def _holds(difference: Estimate) -> bool:
    return difference.ci95 is not None and difference.ci95[0] <= 0 <= difference.ci95[1]


def law_rows(evidence_of: Callable[[tuple[str, ...]], Ladder]) -> list[LawRow]:
    """The exponents of Pearce and Song, ours on the same synthetic runs, and the measured ones."""
    synthetic = [
        LawRow(
            f"a {WORDS[count].replace('one matrix of ', '')}, synthetic runs, {truth}'s constants",
            published,
            f"{synthetic_frontier(truth, kind).size:.3f}",
            "the same closed experiment: to the digits printed",
        )
        for truth, count, kind, published in (
            ("besiroglu2024", "non_embedding", "non_embedding", ".78"),
            ("hoffmann2022", "non_embedding", "non_embedding", ".73 to .74"),
            ("besiroglu2024", "with_head", "total", ".51, beta / (alpha + beta)"),
            ("hoffmann2022", "with_head", "total", ".46, beta / (alpha + beta)"),
        )
    ]
    return [*synthetic, *[_measured_row(evidence_of, count) for count in COUNTS]]


def _measured_row(evidence_of: Callable[[tuple[str, ...]], Ladder], count: str) -> LawRow:
    law = f"a {WORDS[count]}, measured here"
    try:
        found = evidence_of((SWEEP,)).exponent(count)
    except HarnessError as error:
        return LawRow(law, "–", f"not measured: {error}", "")
    return LawRow(
        law,
        f"closed form of this ladder's law: {found.predicted:.3f}",
        f"{found.measured:.3f}",
        f"measured minus predicted {found.difference:.3f}: the formula, not the paper's number, which is of "
        "32,000 tokens",
    )


def _ladder_needed(data: Callable[[Ladder], pd.DataFrame]) -> Callable[[Ladder | None], pd.DataFrame]:
    def of(ladder: Ladder | None) -> pd.DataFrame:
        if ladder is None:
            raise LackingRunsError("no runs are given")
        return data(ladder)

    return of


FIGURE_5 = Figure(
    "5",
    "The best size against compute, measured by three counts",
    "the slope without the vocabulary is steeper than with it, by as much as the closed form says.",
    "1,024 tokens and two layers: N_total is 5 to 1.7 times N; the exponents should differ by .15 to "
    ".20, their intervals "
    "are about .03 wide on either side.",
    (SWEEP,),
    _ladder_needed(_figure_5),
    drawing(
        {
            "non_embedding": Panel("without the vocabulary", "C = 6ND, FLOP", "best N", y_as=style.short),
            "with_head": Panel("with one matrix of it", "C = 6ND, FLOP", "best N", y_as=style.short),
            "total": Panel("with embedding and head", "C = 6ND, FLOP", "best N", y_as=style.short),
        }
    ),
    _found_5,
)
FIGURE_6 = Figure(
    "6",
    "Measured exponents on the local exponent of the ladder's own law",
    "the measured exponent without the vocabulary lies on g at its sizes, the one with it on the value "
    "at infinite size.",
    "two layers throughout: the vocabulary grows as the square root of N, and g peaks at .70 rather than .98.",
    (SWEEP,),
    _ladder_needed(_figure_6),
    with_room({"exponent": Panel("", "best N without the vocabulary", "d ln N / d ln C", log_y=False)}, below=0.35),
    _found_6,
)
TABLE_1 = PaperTable(
    "1",
    "Exponents of the ladder by each count",
    "the difference's interval holds 0 where the prediction holds.",
    (SWEEP,),
    _ladder_needed(exponents_table),
)
