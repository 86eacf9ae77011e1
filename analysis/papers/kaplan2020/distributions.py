"""Figure 8: the loss on other distributions, against N and against the loss on the text of the runs."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.cells import cells_of, other_texts, text_words
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.tidy import Panel, drawing, rows, tidy

MIN_SIZES = 3
SIZE, OWN = "size", "own"
ON_THE_WAY = ", shorter runs"


def _power(x: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Exponent and level of y = e^level x^exponent."""
    exponent, level = np.polyfit(np.log(x.to_numpy(float)), np.log(y.to_numpy(float)), 1)
    return float(exponent), float(level)


def _figure_8(evidence: Evidence) -> pd.DataFrame:
    frame = evidence.runs.frame
    texts = other_texts(frame)
    if not texts:
        raise LackingRunsError("no run was evaluated on another text (evaluation.extra_sets)")
    cells, _ = cells_of(frame, ["n_layer", "d_model"], texts)
    final = cells.loc[cells["D"] == cells["D"].max()].sort_values("N")
    if len(final) < MIN_SIZES:
        raise LackingRunsError(f"{MIN_SIZES} sizes of one D are needed: there are {len(final)}")
    early = cells.loc[(cells["D"] < cells["D"].max()) & (cells["N"] == final["N"].iloc[-1])]
    parts = []
    for name in ("L", *texts):
        exponent, level = _power(final["N"], final[name])
        at = style.span(final["N"], beyond=0.1, n=20)
        parts.append(rows(SIZE, text_words(name), "points", final["N"], final[name]))
        parts.append(rows(SIZE, f"{text_words(name)}, $N^{{{exponent:.3f}}}$", "fit", at, np.exp(level) * at**exponent))
    for name in ("L", *texts):
        exponent, level = _power(final["L"], final[name])
        at = style.span(pd.concat([final, early])["L"], beyond=0.05, n=20)
        parts.append(rows(OWN, text_words(name), "points", final["L"], final[name]))
        parts.append(rows(OWN, f"{text_words(name)}, power {exponent:.2f}", "fit", at, np.exp(level) * at**exponent))
    parts += [rows(OWN, text_words(name) + ON_THE_WAY, "early", early["L"], early[name]) for name in ("L", *texts)]
    return tidy(parts, evidence.unit)


def _found(table: pd.DataFrame) -> str:
    own = table.loc[table["panel"] == OWN]
    said = []
    for name in own.loc[own["kind"] == "points", "series"].unique():
        if name == text_words("L"):  # against itself
            continue
        final = own.loc[own["series"] == name]
        exponent, level = _power(final["x"], final["y"])
        r = np.corrcoef(np.log(final["x"]), np.log(final["y"]))[0, 1]
        early = own.loc[own["series"] == name + ON_THE_WAY]
        off = np.log(early["y"].to_numpy(float)) - level - exponent * np.log(early["x"].to_numpy(float))
        beside = f", shorter runs {np.sqrt((off**2).mean()):.1%} off it" if len(off) else ""
        said.append(f"{name}: power {exponent:.2f} of the own loss, r = {r:.3f}{beside}")
    return "; ".join(said) + "."


FIGURE_8 = Figure(
    "8",
    "Other distributions",
    "against N the losses on other texts fall along lines beside that of the own text; against the own loss, final "
    "models and one on its way lie on one curve: generalisation depends on the loss alone.",
    "technical English, source code and words in random order; two seeds a size, five sizes, and four shorter runs of "
    "the largest.",
    ("kaplan/distributions",),
    _figure_8,
    drawing(
        {
            SIZE: Panel("", "N (non-embedding), parameters", "loss, nats/{unit}"),
            OWN: Panel("", "loss on the own text, nats/{unit}", "loss on another, nats/{unit}", x_as=style.plain),
        }
    ),
    _found,
)
