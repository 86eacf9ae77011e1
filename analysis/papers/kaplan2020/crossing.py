"""Figure 15: where the law of compute falls below what the tokens it is spent on allow."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.laws.kaplan import kaplan_lc, kaplan_ld
from analysis.laws.kaplan_compute import EQUATION_6_7, TABLE_6
from analysis.laws.kaplan_data import Crossing, Params, crossing
from analysis.laws.published import PF_DAY, PUBLISHED
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.kaplan2020.one_variable import LOSS
from analysis.papers.tidy import Panel, drawing, rows, tidy

NEVER = "L(C) falls no faster than L(D(C)), so that they never cross"
FARTHEST = 1e6
"""Times the largest compute of the runs: a crossing beyond is named, and not drawn."""
Line = tuple[float, float]
"""Factor and exponent of D = factor C^exponent, FLOP."""
BY_COMPUTE, BY_TOKENS = PUBLISHED["kaplan2020_lc_min"].params, PUBLISHED["kaplan2020_ld"].params


def in_flop(factor: float, power: float) -> Line:
    """A printed power of PF-days as one of FLOP."""
    return factor / PF_DAY**power, power


def of_paper(tokens: Line = TABLE_6["D"]) -> Crossing:
    """The paper's own crossing, by Table 6 or by another D of C_min in PF-days."""
    return crossing(BY_COMPUTE, BY_TOKENS, in_flop(*tokens))


def at_large_n(params: Params) -> Params:
    """L(D) as the limit of L(N, D): the runs of one size are held back by it."""
    alpha = np.asarray(params["alpha_D"], float)
    return {"A": np.asarray(params["D_c"], float) ** alpha, "alpha": alpha}


def of_runs(evidence: Evidence) -> tuple[Crossing, Crossing, Line]:
    """Ours, NaN if there is none, its draws, and D along our envelope; draws of the two laws are independent."""
    by_compute, by_tokens = evidence.compute_law, evidence.data_law
    envelope = evidence.envelope
    log_c, log_d = np.log(envelope["C"]), np.log(envelope["C"] / (6 * envelope["N"]))
    power, level = np.polyfit(log_c, log_d, 1)
    line = float(np.exp(level)), float(power)
    n_draws = min(len(next(iter(fit.draws.values()), ())) for fit in (by_compute, by_tokens))
    drawn = [{name: values[:n_draws] for name, values in fit.draws.items()} for fit in (by_compute, by_tokens)]
    found = crossing(by_compute.values, at_large_n(by_tokens.values), line)
    return found, crossing(drawn[0], at_large_n(drawn[1]), line), line


def compute_at_crossing(evidence: Evidence) -> Estimate:
    """Compute of our crossing in FLOP; NaN draws, of laws that never cross, are left out of the interval."""
    found, draws, _ = of_runs(evidence)
    if not np.isfinite(found.train_flops):
        raise LackingRunsError(NEVER)
    return Estimate.from_draws(float(found.train_flops), draws.train_flops)


def _lines(
    panel: str, kind: str, ends: tuple[float, float], laws: tuple[Params, Params], line: Line, unit: float
) -> list[pd.DataFrame]:
    """L(C) and L(D(C)) between two budgets in FLOP, drawn in units of so many FLOP."""
    C = np.geomspace(*ends, 60)
    by_compute, by_tokens = laws
    slope = float(np.asarray(by_tokens["alpha"])) * line[1]
    return [
        rows(
            panel,
            f"L(C), slope {-np.asarray(by_compute['alpha']):.3f}",
            kind,
            C / unit,
            kaplan_lc.predict(by_compute, C=C),
        ),
        rows(
            panel,
            f"L(D(C)), slope {-slope:.3f}",
            kind,
            C / unit,
            kaplan_ld.predict(by_tokens, D=line[0] * C ** line[1]),
        ),
    ]


def _mark(panel: str, words: str, found: Crossing, unit: float) -> pd.DataFrame:
    return rows(panel, words, "points", [float(found.train_flops) / unit], [float(found.loss_nats)])


def _figure_15(evidence: Evidence) -> pd.DataFrame:
    found, _, line = of_runs(evidence)
    by_compute, by_tokens = evidence.compute_law.values, at_large_n(evidence.data_law.values)
    envelope = evidence.envelope
    smallest, largest = float(np.min(envelope["C"])), float(np.max(envelope["C"]))
    seen = bool(found.train_flops <= FARTHEST * largest)
    ends = smallest, max(float(found.train_flops) * 10, largest) if seen else FARTHEST * largest
    crossings = []
    if np.isfinite(found.train_flops):
        words = f"crossing, {_words(compute_at_crossing(evidence))} FLOP{'' if seen else ', off the figure'}"
        crossings = [_mark("ours", words, found, 1.0)]
    printed, other = of_paper(), of_paper(EQUATION_6_7)
    parts = [
        *_lines("ours", "fit", ends, (by_compute, by_tokens), line, 1.0),
        rows("ours", "envelope of the runs", "points", envelope["C"], envelope["L"]),
        *crossings,
        *_lines(
            "paper", "paper", (1e-6 * PF_DAY, 1e8 * PF_DAY), (BY_COMPUTE, BY_TOKENS), in_flop(*TABLE_6["D"]), PF_DAY
        ),
        _mark("paper", f"by Table 6, {float(printed.train_flops) / PF_DAY:.2g} PF-days", printed, PF_DAY),
        _mark("paper", f"with D by eq. 6.7, {float(other.train_flops) / PF_DAY:.2g} PF-days", other, PF_DAY),
    ]
    return tidy(parts, evidence.unit)


def _words(at: Estimate) -> str:
    ends = "" if at.ci95 is None else f" [{at.ci95[0]:.1g}, {at.ci95[1]:.1g}]"
    return f"{at.value:.1g}{ends}"


def _found(table: pd.DataFrame) -> str:
    ours, paper = (table.loc[table["series"].str.startswith(words)] for words in ("crossing", "by Table 6"))
    theirs = f"paper: {paper['series'].iloc[0].split(', ')[1]}, {paper['y'].max():.2g} nats."
    if ours.empty:
        return f"Ours: {NEVER}; {theirs}"
    runs = table.loc[table["series"] == "envelope of the runs", "x"].max()
    beyond = style.short(float(ours["x"].max() / runs))
    return (
        f"Ours: {ours['series'].iloc[0]}, at {ours['y'].max():.2g} nats, {beyond} times the largest compute of the "
        f"runs; {theirs}"
    )


FIGURE_15 = Figure(
    "15",
    "The contradiction",
    "L(C) falls faster than the tokens that it is spent on allow, so that the lines must cross: there one of the laws "
    "fails. Far beyond the runs the place is worth no more than its interval.",
    "it lies far beyond the runs: the interval spans decades, which is what is to be said.",
    ("reproduce-standard",),
    _figure_15,
    drawing(
        {
            "ours": Panel("these runs", "C = 6NBS, FLOP", LOSS, x_as=style.power, within="fit"),
            "paper": Panel("the paper's constants", r"$C_{min}$, PF-days", "loss, nats/token", x_as=style.power),
        }
    ),
    _found,
)
