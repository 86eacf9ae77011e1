"""Figures 1, 2 and 23: the loss against compute, tokens and parameters, one at a time."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.result import FitResult
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import Figure, LackingRunsError
from analysis.papers.kaplan2020.evidence import Evidence, lengths
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy

LOSS = "held-out loss, nats/{unit}"
COMPUTE = "C = 6NBS, FLOP"
PAPER = PUBLISHED["kaplan2020"].params
MIN_CURVES = 2
FIRST_STEPS = 0.05  # of a run, which are not drawn


def curves(evidence: Evidence, panel: str, column: str) -> list[pd.DataFrame]:
    """Each training curve after its first steps against a column of the trajectories."""
    points = evidence.trajectories
    shown = points.loc[points["D"] >= FIRST_STEPS * lengths(points)]
    return [
        rows(panel, "training curves", "curve", run[column], run["L"], n_params=run["N"])
        for _, run in shown.groupby("run", sort=False)
    ]


def line(panel: str, words: str, law: FitResult, variable: str, x: object) -> pd.DataFrame:
    """A fitted one-variable law over the range of its points."""
    at = style.span(x, beyond=0.05, n=60)
    return rows(panel, words, "fit", at, law.predict(**{variable: at}))


def alpha_words(variable: str, law: FitResult) -> str:
    """Its exponent with interval, for the legend."""
    return rf"ours, $\alpha_{variable}$ = {law.params['alpha']:.3f}"


def _one_variable(panel: str, points: pd.DataFrame, law: FitResult, published: float) -> list[pd.DataFrame]:
    (variable,) = law.law.inputs
    x, loss = points[variable], points["L"]
    return [
        rows(panel, "runs", "points", x, loss),
        line(panel, alpha_words(variable, law), law, variable, x),
        slope_through(panel, f"paper's slope, $-${published:.3f}", x, loss, -published),
    ]


def _figure_1(evidence: Evidence) -> pd.DataFrame:
    by_c, envelope = evidence.compute_law, evidence.envelope
    parts = [
        *curves(evidence, "compute", "C"),
        line("compute", alpha_words("C", by_c), by_c, "C", envelope["C"]),
        slope_through(
            "compute", f"paper's slope, $-${PAPER['alpha_C']:.3f}", envelope["C"], envelope["L"], -PAPER["alpha_C"]
        ),
        *_one_variable("tokens", *evidence.law_of("alpha_D"), PAPER["alpha_D"]),
        *_one_variable("parameters", *evidence.law_of("alpha_N"), PAPER["alpha_N"]),
    ]
    return tidy(parts, evidence.unit)


def _figure_2(evidence: Evidence) -> pd.DataFrame:
    points, envelope = evidence.trajectories, evidence.envelope
    if len(np.unique(points["N"])) < MIN_CURVES:
        raise LackingRunsError(f"sample efficiency needs {MIN_CURVES} sizes of one batch")
    stops = envelope.drop_duplicates("run", keep="last")
    parts = [
        *curves(evidence, "tokens", "D"),
        *curves(evidence, "compute", "C"),
        rows("compute", "where the next size is better", "points", stops["C"], stops["L"], n_params=stops["N"]),
    ]
    return tidy(parts, evidence.unit)


def _figure_23(evidence: Evidence) -> pd.DataFrame:
    points, law = evidence.law_of("alpha_N")
    sizes, loss = points["N"].to_numpy(float), points["L"].to_numpy(float)
    slope, level = np.polyfit(np.log(sizes), loss, 1)
    at = style.span(sizes, beyond=0.3, n=60)
    rms = {"power": _rms(loss, law.predict(N=sizes)), "log": _rms(loss, level + slope * np.log(sizes))}
    words = rf"power law, $\alpha_N$ = {law.params['alpha']:.3f}, rms {rms['power']:.2%}"
    parts = [
        rows("size", "runs", "points", sizes, loss),
        rows("size", words, "fit", at, law.predict(N=at)),
        rows("size", f"logarithm, {slope:.3f} ln N, rms {rms['log']:.2%}", "fit", at, level + slope * np.log(at)),
        slope_through("size", f"paper's slope, $-${PAPER['alpha_N']:.3f}", sizes, loss, -PAPER["alpha_N"]),
    ]
    return tidy(parts, evidence.unit)


def _rms(loss: np.ndarray, fitted: np.ndarray) -> float:
    return float(np.sqrt(((fitted / loss - 1) ** 2).sum() / max(1, len(loss) - 2)))


def _legends(table: pd.DataFrame) -> str:
    fits = table.loc[table["kind"] == "fit", ["panel", "series"]].drop_duplicates()
    said = [f"{panel}: {words}" for panel, words in fits.itertuples(index=False)]
    return "; ".join(said).replace("$", "").replace("\\alpha", "alpha") + "."


def _found_2(table: pd.DataFrame) -> str:
    ends = table.loc[table["panel"] == "tokens"].groupby("n_params")["y"].min()
    first, last = float(ends.index.min()), float(ends.index.max())
    return (
        f"{len(ends)} sizes from {style.short(first)} to {style.short(last)} parameters; the smallest ends at "
        f"{ends[first]:.3g} nats, the largest at {ends[last]:.3g}."
    )


SIZE = Panel("", "N (non-embedding), parameters", LOSS)
FIGURE_1 = Figure(
    "1",
    "Loss against compute, tokens and parameters",
    "straight lines in logs: each is a power law while the other two do not hold it back. The training curves of "
    "larger models start later and end lower, and the law of compute follows their lower edge.",
    "the losses fall by a third over the runs, seeds differ by .2 to .7 %; L(N) is of one epoch, and bends where N "
    "outgrows it.",
    ("reproduce-standard",),
    _figure_1,
    drawing(
        {
            "compute": Panel("at the best size", COMPUTE, LOSS, x_as=style.power),
            "tokens": Panel("at one size", "D, {unit}s", LOSS),
            "parameters": Panel("at one D", SIZE.x, LOSS),
        }
    ),
    _legends,
)
FIGURE_2 = Figure(
    "2",
    "Larger models need fewer tokens, and stop early to be efficient",
    "at equal tokens larger models have lower loss; at equal compute each size has its stretch (marks: where the "
    "next size takes over), long before its curve is flat.",
    "a rate that does not decay, so that a curve has no end of its own; seeds differ by under 1 %.",
    ("kaplan/sizes",),
    _figure_2,
    drawing(
        {
            "tokens": Panel("tokens processed", "tokens processed, {unit}s", LOSS),
            "compute": Panel("compute", COMPUTE, LOSS, x_as=style.power),
        }
    ),
    _found_2,
)
FIGURE_23 = Figure(
    "23",
    "L(N): a power law against a logarithm",
    "if the power law is the better one, its line stays with the points at both ends, where the logarithm turns away.",
    "sizes over a factor of 30 or more: over less the two forms differ by less than seeds do.",
    ("kaplan/sizes",),
    _figure_23,
    drawing({"size": SIZE}),
    _legends,
)
