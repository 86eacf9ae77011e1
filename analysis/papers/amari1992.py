"""Amari, Fujita and Shinomoto 1992: four types of learning curves, and which of them our runs are nearest to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures import style
from analysis.fitting.fit import fit
from analysis.fitting.result import FitResult
from analysis.laws.amari import TYPES, amari, annealed, learning_curve
from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper
from analysis.papers.tidy import Panel, drawing, rows, tidy
from analysis.runs.conventions import token_unit
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.validation.learning_curve_type import CurveFinding, learning_curve_type
from scaling_harness.errors import HarnessError, UserError

NEEDS = ("reproduce-standard",)
LIMITS = {1: 1.0, 2: 9.0, 3: float(np.pi**-0.5), 4: 0.5}
"""c of the limits of `annealed` as it is drawn: one parameter, a tenth of the machines correct."""
FLOOR = 0.3
LEAST_LENGTHS, MOST_SIZES, RESAMPLES = 5, 4, 300


@dataclass(frozen=True)
class Evidence:
    """Learning curves: of each size with enough lengths, the loss after training on D tokens, seeds averaged."""

    cells: pd.DataFrame
    unit: str

    @cached_property
    def findings(self) -> dict[float, tuple[FitResult, CurveFinding]]:
        """N -> the fit of E + c/D^p, and the type, of the sizes of most lengths.

        Raises
        ------
        LackingRunsError
            No size has enough lengths.
        """
        sizes, lengths = np.unique(self.cells["N"].to_numpy(float), return_counts=True)
        most = sizes[np.argsort(-lengths, kind="stable")][: int((lengths >= LEAST_LENGTHS).sum())]
        sizes = sorted(most[:MOST_SIZES].tolist())
        if not sizes:
            raise LackingRunsError(
                f"no size was trained to {LEAST_LENGTHS} lengths, which a curve of 3 parameters needs"
            )
        return {size: _finding(self.cells.loc[self.cells["N"] == size]) for size in sizes}


def _finding(curve: pd.DataFrame) -> tuple[FitResult, CurveFinding]:
    free = fit(amari, curve, loss="log_squares", resample="residuals", resamples=RESAMPLES)
    return free, learning_curve_type(free, curve)


def evidence_of(paths: Sequence[Path]) -> Evidence | None:
    """Design cells of one sweep, N with head; None without paths, for closed forms.

    Raises
    ------
    UserError
        Several sources.
    """
    if not paths:
        return None
    if len(paths) > 1:
        raise UserError(f"{len(paths)} sweeps are given: a learning curve is of the runs of one")
    runs = load_runs(paths[0])
    return Evidence(design_cells(runs.frame), token_unit(runs))


def _figure_types(_: object) -> pd.DataFrame:
    D = np.geomspace(1, 1e5, 120)
    parts, limits = [], []
    for kind in TYPES:
        floor = FLOOR if kind.floor else 0.0
        words = f"type {kind.number}, {kind.formula}"
        parts.append(rows("types", words, "fit", D, annealed(kind.number, D, floor=FLOOR)))
        limits += [learning_curve(kind.number, D, LIMITS[kind.number], floor), [np.nan]]
    every = np.tile([*D, np.nan], len(TYPES))
    parts.append(rows("types", "limits of many examples", "paper", every, np.concatenate(limits)))
    return tidy(parts, "token")


def _found_types(_: pd.DataFrame) -> str:
    ends = {}
    for kind in TYPES:
        floor = FLOOR if kind.floor else 0.0
        loss = [float(annealed(kind.number, D, floor=FLOOR)) - floor for D in (1e2, 1e4)]
        ends[kind.number] = float(np.log(loss[0] / loss[1]) / np.log(1e2))
    said = ", ".join(f"type {number} {slope:.2f}" for number, slope in ends.items())
    return (
        f"Slopes of the annealed integrals above their floors between 100 and 10,000 examples: {said}. They are "
        "idealised: an average taken inside a logarithm, not a machine that is trained."
    )


def _figure_curves(evidence: Evidence | None) -> pd.DataFrame:
    if evidence is None:
        raise LackingRunsError("no runs are given")
    parts = []
    for size, (free, found) in evidence.findings.items():
        curve = evidence.cells.loc[evidence.cells["N"] == size].sort_values("D")
        D = style.span(curve["D"], n=60)
        kept = free.values if found.floor else {**free.values, "E": 0.0}
        words = f"N = {style.short(size)}"
        parts.append(rows("curves", words, "points", curve["D"], curve["L"]))
        if found.floor:
            parts.append(
                rows(
                    "curves",
                    f"{words}, p = {found.exponent.value:.2f}, E = {kept['E']:.2f}",
                    "fit",
                    D,
                    free.predict(D=D),
                )
            )
        ends = found.exponent.ci95 or (np.nan, np.nan)
        bars = {"low": [ends[0]], "high": [ends[1]]}
        parts.append(rows("exponents", "ours, 95 %", "points", [size], [found.exponent.value], **bars))
    sizes = np.array(list(evidence.findings))
    for power in (2.0, 1.0, 0.5):
        named = " and ".join(str(kind.number) for kind in TYPES if kind.exponent == power)
        span = sizes.min() / 1.3, sizes.max() * 1.3
        parts.append(rows("exponents", f"type {named}, p = {power:g}", "paper", span, [power, power]))
    return tidy(parts, evidence.unit)


def _found_curves(table: pd.DataFrame) -> str:
    points = table.loc[(table["panel"] == "exponents") & (table["kind"] == "points")]
    lines = sorted({float(y) for y in table.loc[(table["panel"] == "exponents") & (table["kind"] == "paper"), "y"]})
    floors = int(table.loc[table["kind"] == "fit", "series"].nunique())
    each, held = [], 0
    for _, row in points.iterrows():
        held += any(row["low"] <= power <= row["high"] for power in lines)
        each.append(f"{style.short(float(row['x']))} {row['y']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")
    return (
        f"Exponent p by size: {'; '.join(each)}. The intervals of {held} of {len(points)} sizes hold an exponent of a "
        f"type; {floors} of the curves have a floor E, which type 4 alone has, with p = 1. A loss in nats of a "
        "language model of one size is no probability of a wrong decision, and its rate is that of its data."
    )


def _law_rows(given: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    try:
        findings = given(NEEDS).findings
        ours = "; ".join(f"{style.short(size)}: {found.exponent:.2f}" for size, (_, found) in findings.items())
    except HarnessError as error:
        ours = f"not measured: {error}"
    why = "no: rates of the error of an idealised machine; ours are of nats of a language model by size"
    return [LawRow(f"type {kind.number}, {kind.machine}", kind.formula, ours, why) for kind in TYPES]


def _draw_curves(ax: Axes, frame: pd.DataFrame) -> Axes:
    """Panels as they are, the exponents with room above the lines of the types for the legend."""
    drawing(PANELS)(ax, frame)
    if frame["panel"].iloc[0] == "exponents":
        ax.set_ylim(0.2, 8)
        ax.legend(loc="upper left")
    return ax


PANELS = {
    "curves": Panel("", "tokens D, {unit}s", "held-out loss, nats/{unit}"),
    "exponents": Panel("", "N (with head), parameters", "p of E + c/D^p", y_as=style.plain),
}
FIGURES = (
    Figure(
        "types",
        "The four types by the annealed integral, idealised, and their limits",
        "straight lines of slope 1, 2 and 1/2 once there are many examples; type 4 ends at a floor.",
        "closed forms; of few examples the integrals stay below a loss that the limits exceed.",
        (),
        _figure_types,
        drawing({"types": Panel("", "examples D", "loss", within="fit")}),
        _found_types,
    ),
    Figure(
        "curves",
        "Our learning curves at fixed sizes, and their exponents beside those of the types",
        "if language models were of a type, the exponents would lie on one of the lines.",
        "five to seven lengths of one size over a factor of 10 to 30: intervals of p are wide where E is free.",
        NEEDS,
        _figure_curves,
        _draw_curves,
        _found_curves,
    ),
)
amari1992 = Paper(
    "amari1992",
    "Amari, Fujita and Shinomoto 1992, Four Types of Learning Curves",
    FIGURES,
    evidence_of,
    _law_rows,
    {"quick": {}, "standard": {name: name for name in NEEDS}},
)
