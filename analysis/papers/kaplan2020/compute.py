"""Figures 3, 4, 12, 13 and 14: compute-efficient training."""

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.result import FitResult
from analysis.laws.kaplan import Batch
from analysis.laws.kaplan_compute import TABLE_6, compute_exponents, compute_of_other_size, steps_of_other_size
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import Figure
from analysis.papers.kaplan2020.evidence import Evidence, exponent
from analysis.papers.kaplan2020.one_variable import LOSS, alpha_words, curves, line
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy
from scaling_harness.errors import HarnessError

NAIVE, AT_LEAST = r"$C = 6NBS$", r"$C_{min}$"
SIZES, BOTH = ("kaplan/sizes",), ("kaplan/sizes", "kaplan/critical-batch")
PAPER = PUBLISHED["kaplan2020"].params
STEPS_3 = PUBLISHED["kaplan2020_ln_s"].params
N_LABEL = "N (non-embedding), parameters"
GROWTH = 1e9
"""Factor of compute over which figure 3 follows N, B and S."""


def measured_batch(law: FitResult) -> Batch:
    """B_crit(L) as `kaplan.optimal_steps` takes it."""
    return Batch(law.values["B_*"], law.values["1/alpha_B"])


def measured_exponents(evidence: Evidence) -> dict[str, float]:
    """Exponents of N, B, S and D in C_min that the fitted alpha_N, alpha_S and alpha_B predict."""
    found = compute_exponents(evidence.steps_law_at_least.values, measured_batch(evidence.b_crit))
    return {name: float(value) for name, value in found.items()}


def _figure_3(evidence: Evidence) -> pd.DataFrame:
    ours = measured_exponents(evidence)
    factor = np.geomspace(1, GROWTH, 40)
    paper = {name: TABLE_6[name][1] for name in ("N", "B", "S")}
    parts = []
    for kind, words, powers in (("fit", "ours", ours), ("paper", "paper", paper)):
        grown = 0.0
        for name, what in (("N", "N"), ("B", "N and B"), ("S", "N, B and S")):
            grown += powers[name]
            parts.append(rows("growth", f"{words}: {what}, {grown:.2f}", kind, factor, factor**grown))
    return tidy(parts, evidence.unit)


def _found_3(table: pd.DataFrame) -> str:
    ends = table.loc[table["x"] == table["x"].max()].groupby("series", sort=False)["y"].max()
    said = "; ".join(f"{words.rsplit(',', 1)[0]} {style.short(value)} times" for words, value in ends.items())
    return f"Over {style.short(GROWTH)} times the compute: {said}."


def _figure_4(evidence: Evidence) -> pd.DataFrame:
    cells, points = evidence.cells_for_data_law, evidence.after_warm_up
    by_tokens, by_steps = evidence.data_law, evidence.steps_law
    parts = []
    for size in _by_size(cells):
        at = {"N": size["N"].iloc[0], "D": style.span(size["D"], n=30)}
        parts.append(rows("tokens", "runs", "points", size["D"], size["L"], n_params=size["N"]))
        law = by_tokens.predict(**at)
        parts.append(rows("tokens", "L(N, D), eq. 1.5", "fit", at["D"], law, n_params=at["N"]))
    for size in _by_size(points.drop_duplicates(["N", "S"])):
        at = {"N": size["N"].iloc[0], "S": style.span(size["S"], n=30)}
        parts.append(rows("steps", "evaluations", "points", size["S"], size["L"], n_params=size["N"]))
        law = by_steps.predict(**at)
        parts.append(rows("steps", "L(N, S), eq. 1.6", "fit", at["S"], law, n_params=at["N"]))
    return tidy(parts, evidence.unit)


def _by_size(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [size for _, size in frame.groupby("N")]


def _found_4(table: pd.DataFrame) -> str:
    said = []
    for panel, words in (("tokens", "L(N, D)"), ("steps", "L(N, S)")):
        part = table.loc[table["panel"] == panel]
        points, law = part.loc[part["kind"] == "points"], part.loc[part["kind"] == "fit"]
        missed = [_missed(points, law, size) for size in points["n_params"].unique()]
        said.append(f"{words} misses the points by {np.sqrt(np.concatenate(missed).mean()):.1%} rms")
    return "; ".join(said) + "."


def _missed(points: pd.DataFrame, law: pd.DataFrame, size: float) -> np.ndarray:
    mine, line_ = points.loc[points["n_params"] == size], law.loc[law["n_params"] == size]
    fitted = np.exp(np.interp(np.log(mine["x"]), np.log(line_["x"]), np.log(line_["y"])))
    return np.log(mine["y"].to_numpy(float) / fitted) ** 2


def _figure_12(evidence: Evidence) -> pd.DataFrame:
    law = evidence.steps_law
    size = np.geomspace(0.25, 8, 80)
    parts = []
    for panel, of_size in (("compute", compute_of_other_size), ("steps", steps_of_other_size)):
        for kind, words, params in (("fit", "ours", law.values), ("paper", "paper", STEPS_3)):
            there = of_size(size, params["alpha"], params["beta"])
            kept = np.isfinite(there) & (there < 4)
            parts.append(rows(panel, words, kind, size[kept], there[kept]))
    return tidy(parts, evidence.unit)


def _found_12(table: pd.DataFrame) -> str:
    ours = table.loc[(table["panel"] == "compute") & (table["kind"] == "fit") & (table["y"] <= 1.2)]
    return (
        f"Sizes of {ours['x'].min():.2g} to {ours['x'].max():.2g} times the efficient one take at most 20 % more "
        "compute (paper: .6 to 2.2)."
    )


def _adjusted(evidence: Evidence) -> pd.DataFrame | None:
    """The envelope in C_min; None, if the runs give no B_crit(L)."""
    try:
        return evidence.envelope_at_least
    except HarnessError:
        return None


def _figure_13(evidence: Evidence) -> pd.DataFrame:
    naive, adjusted = evidence.envelope, _adjusted(evidence)
    by_c = evidence.compute_law
    parts = [
        *curves(evidence, "compute", "C"),
        rows("compute", f"envelope, {NAIVE}", "points", naive["C"], naive["L"]),
        line("compute", alpha_words("C", by_c), by_c, "C", naive["C"]),
        slope_through("compute", f"paper's slope, {NAIVE}, $-$.057", naive["C"], naive["L"], -PAPER["alpha_C_naive"]),
    ]
    if adjusted is not None:
        law = evidence.compute_law_at_least
        parts += [
            rows("compute", f"envelope, {AT_LEAST}", "points", adjusted["C"], adjusted["L"]),
            line("compute", alpha_words("C", law).replace("_C", "_{C,min}"), law, "C", adjusted["C"]),
            slope_through(
                "compute", f"paper's slope, {AT_LEAST}, $-$.050", adjusted["C"], adjusted["L"], -PAPER["alpha_C"]
            ),
        ]
    return tidy(parts, evidence.unit)


def _figure_14(evidence: Evidence) -> pd.DataFrame:
    naive, adjusted = evidence.envelope, _adjusted(evidence)
    parts = _sizes(naive, NAIVE, 0.88) + _steps(naive.assign(steps=naive["S"]), "S at the batch of the runs", None)
    if adjusted is not None:
        parts += _sizes(adjusted, AT_LEAST, TABLE_6["N"][1])
        parts += _steps(adjusted.assign(steps=adjusted["S_min"]), r"$S_{min}$", TABLE_6["S"][1])
    return tidy(parts, evidence.unit)


def _sizes(envelope: pd.DataFrame, words: str, published: float) -> list[pd.DataFrame]:
    power = exponent(envelope, "C", "N")
    drawn = slope_through("size", f"ours, {words}: {power:.2f}", envelope["C"], envelope["N"], power.value)
    return [
        rows("size", f"best size, {words}", "points", envelope["C"], envelope["N"]),
        drawn.assign(kind="fit"),
        slope_through("size", f"paper's slope, {words}: {published}", envelope["C"], envelope["N"], published),
    ]


def _steps(envelope: pd.DataFrame, words: str, published: float | None) -> list[pd.DataFrame]:
    power = exponent(envelope, "C", "steps")
    drawn = slope_through("steps", f"ours, {words}: {power:.2f}", envelope["C"], envelope["steps"], power.value)
    parts = [rows("steps", words, "points", envelope["C"], envelope["steps"]), drawn.assign(kind="fit")]
    if published is not None:
        at = (envelope["C"], envelope["steps"])
        parts.append(slope_through("steps", f"paper's slope, {words}: {published}", *at, published))
    return parts


def _found_14(table: pd.DataFrame) -> str:
    fits = table.loc[table["kind"] == "fit", ["panel", "series"]].drop_duplicates()
    said = "; ".join(f"exponent of {panel}, {words}" for panel, words in fits.itertuples(index=False))
    return (said + _without_least(table)).replace("$", "") + "."


def _found_13(table: pd.DataFrame) -> str:
    fits = "; ".join(table.loc[table["kind"] == "fit", "series"].unique())
    return (fits + _without_least(table)).replace("$", "").replace("\\alpha", "alpha") + "."


def _without_least(table: pd.DataFrame) -> str:
    if table["series"].str.contains("C_{min}", regex=False).any():
        return ""
    return "; C_min is not drawn: these runs do not give B_crit(L), see figure 10"


FIGURE_3 = Figure(
    "3",
    "What more compute should buy",
    "most of the growth of C is growth of N; B takes most of the rest, and the steps hardly grow.",
    "nothing but the exponents of figures 4 and 10 goes into it: it is as sure as they are.",
    BOTH,
    _figure_3,
    drawing(
        {"growth": Panel("multiplied up", "factor of compute", "factor of growth", x_as=style.power, y_as=style.power)}
    ),
    _found_3,
)
FIGURE_4 = Figure(
    "4",
    "L(N, D) and L(N, S)",
    "one law of four constants goes through all sizes at once: at the right end the larger sizes still fall.",
    "several sizes and numbers of distinct tokens, stopped early; residuals beside the .2 to 1 % between seeds tell "
    "whether the form holds. From runs of one epoch alone D is also BS, which the paper kept apart.",
    ("kaplan/data-limited", "kaplan/sizes"),
    _figure_4,
    drawing(
        {"tokens": Panel("tokens", "D, {unit}s", LOSS), "steps": Panel("steps", "S at the batch of the runs", LOSS)}
    ),
    _found_4,
)
FIGURE_12 = Figure(
    "12",
    "What a size off the efficient one costs",
    "a flat valley: twice the size costs little compute and saves steps, a third of it costs much of both.",
    "the two exponents of L(N, S) alone; the shape of the valley is theirs.",
    SIZES,
    _figure_12,
    drawing(
        {
            "compute": Panel("compute (B.16)", r"N / $N_{efficient}$", "C / least C", x_as=style.plain, log_y=False),
            "steps": Panel("steps (B.17)", r"N / $N_{efficient}$", "S / efficient S", x_as=style.plain, log_y=False),
        }
    ),
    _found_12,
)
FIGURE_13 = Figure(
    "13",
    "Loss against compute, at a fixed batch and at the least compute",
    "the envelope in C_min lies to the left of the naive one and is flatter; at a batch far below B_crit they are one.",
    "a batch near B_crit (2,000 to 8,000 tokens): at 128 tokens C_min is C to 5 %.",
    BOTH,
    _figure_13,
    drawing({"compute": Panel("", "compute, FLOP", LOSS, x_as=style.power)}),
    _found_13,
)
FIGURE_14 = Figure(
    "14",
    "Best size and steps against compute",
    "the size takes nearly all of the compute; S_min is nearly flat, the steps at a fixed batch are not.",
    "the same batch; the best size moves by whole sizes of the grid, so the points are steps.",
    BOTH,
    _figure_14,
    drawing(
        {
            "size": Panel("size", "compute, FLOP", N_LABEL, x_as=style.power, y_as=style.short),
            "steps": Panel("steps", "compute, FLOP", "steps", x_as=style.power, y_as=style.short),
        }
    ),
    _found_14,
)
