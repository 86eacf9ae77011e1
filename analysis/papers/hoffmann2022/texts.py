"""Figure A2 and table A2: IsoFLOP curves on other text."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.frontier.approaches import Approaches
from analysis.papers.figure import Figure, PaperTable
from analysis.papers.hoffmann2022.evidence import Evidence
from analysis.papers.hoffmann2022.frontier import COMPUTE, N_LABEL, SLICES, approach_rows
from analysis.papers.tidy import Panel, drawing, rows, tidy
from scaling_harness.errors import HarnessError

TEXTS = {"speeches": "reproduce-standard", "code": "hoffmann/code", "docstrings": "hoffmann/docstrings"}
"""Name of a text -> the sweep on it."""
PUBLISHED = {"C4": (0.50, 0.50), "GitHub": (0.53, 0.47)}
"""Exponents a and b of table A2."""


def by_text(evidence: Evidence) -> dict[str, Approaches]:
    """The approaches on the sweep of every text, in the order of `TEXTS`."""
    evidence.path(len(TEXTS) - 1)
    return dict(zip(TEXTS, evidence.of_each_text, strict=True))


def _figure_a2(evidence: Evidence) -> pd.DataFrame:
    found = by_text(evidence)
    parts = []
    for text in list(TEXTS)[1:]:
        for piece in found[text].slices:
            group = found[text].equal_compute.iloc[piece.rows]
            colour = {"n_params": piece.train_flops}
            parts.append(rows(text, "means over seeds", "points", group["N"], group["L"], **colour))
            if piece.problem is None:
                grid = style.span(group["N"], n=40)
                parts.append(rows(text, "parabola", "fit", grid, piece.curve(grid), **colour))
    for text, approaches in found.items():
        second = approaches.approaches["2"]
        if not np.isfinite(second.a.value):
            raise HarnessError(f"{text}: {'; '.join(second.warnings)}")
        points, line = approach_rows("size", second, "N")
        parts += [points.assign(series=text), line.assign(series=f"{text}: a = {second.a:.2f}")]
    return tidy(parts, evidence.unit)


def _found_a2(table: pd.DataFrame) -> str:
    fits = table.loc[(table["panel"] == "size") & (table["kind"] == "fit"), "series"]
    n_minima = [
        table.loc[(table["panel"] == text) & (table["kind"] == kind), "n_params"].nunique()
        for text in list(TEXTS)[1:]
        for kind in ("fit", "points")
    ]
    inside = (
        f"{n_minima[0]} of {n_minima[1]} and {n_minima[2]} of {n_minima[3]} budgets have a minimum inside their grid"
    )
    return f"{'; '.join(dict.fromkeys(fits))} (paper: C4 .50, GitHub .53); {inside}."


def _table_a2(evidence: Evidence) -> pd.DataFrame:
    printed = [{"text": text, "a": f"{a:.2f}", "b": f"{b:.2f}"} for text, (a, b) in PUBLISHED.items()]
    found = by_text(evidence)
    first = found["speeches"].approaches["2"]
    ours = []
    for text, approaches in found.items():
        second = approaches.approaches["2"]
        row = {"text": f"ours: {text}", "a": f"{second.a:.3f}", "b": f"{second.b:.3f}"}
        if second is not first and np.isfinite(second.a.value):
            apart = Estimate.from_draws(second.a.value - first.a.value, second.a_draws - first.a_draws)
            row["a less that of speeches"] = f"{apart:+.3f}"
        ours.append(row)
    return pd.DataFrame(printed + ours).fillna("")


FIGURE_A2 = Figure(
    "A2",
    "IsoFLOP curves on other text",
    "on prose and on code each budget is a valley too, and exponents are those of the first text to a few hundredths.",
    "five budgets: a half-width of a of about .03; losses of different texts are not compared.",
    tuple(TEXTS.values()),
    _figure_a2,
    drawing(
        {
            "code": Panel("code", SLICES.x, SLICES.y, shade=SLICES.shade, shade_as=style.power),
            "docstrings": Panel("docstrings", SLICES.x, SLICES.y, shade=SLICES.shade, shade_as=style.power),
            "size": Panel("approach 2", COMPUTE, N_LABEL, x_as=style.power, y_as=style.short),
        }
    ),
    _found_a2,
)
TABLE_A2 = PaperTable(
    "A2",
    "Exponents on other text, approach 2",
    "both exponents stay near .5 on C4 and on GitHub; the interval of a difference is of independent noise.",
    tuple(TEXTS.values()),
    _table_a2,
)
