"""Rosenfeld et al. 2020: power laws in N and D, their envelope, and what both say of runs beyond those fitted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.fit import fit
from analysis.fitting.goodness_of_fit import law_point
from analysis.fitting.result import FitResult
from analysis.laws.chinchilla import chinchilla
from analysis.laws.constrained import hold
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN, Law
from analysis.laws.rosenfeld import envelope, joint_of, rosenfeld
from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper, PaperTable, public_table
from analysis.papers.tidy import Panel, drawing, rows, tidy
from analysis.runs.conventions import token_unit
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.validation.cross_validation import FOLDS, cross_validate
from analysis.validation.thresholds import below_thresholds
from scaling_harness.errors import HarnessError, UserError

NEEDS, LADDER, PUBLIC = ("reproduce-standard",), ("pearce/ladder",), ("besiroglu2024",)
HOFFMANN_VOCABULARY, N_OUTLIERS = 32_000, 5
SHARES = tuple(float(share) for share in np.linspace(0.4, 0.9, 11).round(2))
SCATTER_SHARE = 0.6
RESAMPLES = 500
POWERS, ENVELOPE = "joint form alone", "under the envelope"
PRINTED = {"WikiText-103": (0.56, 0.74), "WikiText-2": (0.22, 1.01), "PTB": (0.34, 0.81)}
"""Table 2: exponents of the model and of the data, of word-level LSTM and Transformer-XL errors (secondary source)."""
SHOWN = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35, "L_0": float(np.log(256))}


@dataclass(frozen=True)
class Evidence:
    """Design cells of runs, and the loss of a guess that is even over the vocabulary.

    Attributes
    ----------
    cells : DataFrame
        From `replicates.design_cells`.
    guess : float
        L_0 = ln(vocabulary), nats.
    unit : str
        What a token is.
    """

    cells: pd.DataFrame
    guess: float
    unit: str

    @property
    def laws(self) -> Mapping[str, Law]:
        """The joint form, and the same under the envelope with L_0 held."""
        return {POWERS: chinchilla, ENVELOPE: hold(rosenfeld, {"L_0": self.guess})}

    @cached_property
    def fitted(self) -> FitResult:
        """The envelope on all cells, with intervals."""
        law = self.laws[ENVELOPE]
        return fit(law, self.cells, loss="log_squares", resample="residuals", resamples=RESAMPLES, weights="n_seeds")


def evidence_of(paths: Sequence[Path]) -> Evidence | None:
    """Cells of one sweep or archive by N with head; None without paths, for the public table and closed forms.

    Raises
    ------
    UserError
        Several sources.
    LackingRunsError
        Runs that do not say their vocabulary, without which a guess has no known loss.
    """
    if not paths:
        return None
    if len(paths) > 1:
        raise UserError(f"{len(paths)} sweeps are given: thresholds are of the runs of one")
    runs = load_runs(paths[0])
    sizes = runs.frame["vocab_size"].dropna().unique() if "vocab_size" in runs.frame else np.array([])
    if len(sizes) != 1:
        raise LackingRunsError("the loss of a guess is ln(vocabulary), which these runs do not say: give a sweep")
    return Evidence(design_cells(runs.frame), float(np.log(float(sizes[0]))), token_unit(runs))


def hoffmanns_points() -> Evidence:
    """The public points of Hoffmann et al., figure 4, without the five of largest loss."""
    table = public_table(PUBLIC[0])
    frame = pd.DataFrame({"N": table["Model Size"], "C": table["Training FLOP"], "L": table["loss"]})
    frame = frame.assign(D=frame["C"] / (FLOPS_PER_PARAM_TOKEN * frame["N"]))
    kept = frame.nsmallest(len(frame) - N_OUTLIERS, "L")
    return Evidence(design_cells(kept), float(np.log(HOFFMANN_VOCABULARY)), "token")


def _given(evidence: Evidence | None) -> Evidence:
    if evidence is None:
        raise LackingRunsError("no runs are given")
    return evidence


def threshold_figure(evidence: Evidence | None) -> pd.DataFrame:
    """Mean and spread of the error against the threshold, and the losses predicted from one of them."""
    evidence = _given(evidence)
    parts = []
    for words, law in evidence.laws.items():
        table = below_thresholds(evidence.cells, law, SHARES)
        made = table.loc[np.isfinite(table["mean_abs"].to_numpy(float))]
        share, mean, sd = (made[name].to_numpy(float) for name in ("share", "mean", "sd"))
        shift = 0.004 if law is chinchilla else -0.004  # so that the bars of the two can be told apart
        ends = {"low": 100 * (mean - sd), "high": 100 * (mean + sd)}
        parts.append(rows("error", words, "points", share + shift, 100 * mean, **ends))
        parts.append(rows("size", words, "fit", share, 100 * made["mean_abs"].to_numpy(float)))
    parts += _scatter(evidence)
    return tidy(parts, evidence.unit)


def _scatter(evidence: Evidence) -> list[pd.DataFrame]:
    """Losses by the envelope fitted below one threshold, against those measured."""
    cells, law = evidence.cells, evidence.laws[ENVELOPE]
    (row,) = below_thresholds(cells, law, (SCATTER_SHARE,)).to_dict("records")
    if row["reason"] is not None:
        return []
    inside = ((cells["N"] <= row["n_params"]) & (cells["D"] <= row["n_tokens"])).to_numpy(bool)
    point = law_point(law, cells.loc[inside])
    predicted = law.predict(point.params, N=cells["N"].to_numpy(float), D=cells["D"].to_numpy(float))
    measured = cells["L"].to_numpy(float)
    ends = np.array([measured.min(), measured.max()])
    return [
        rows("scatter", "below it, fitted", "points", measured[inside], predicted[inside]),
        rows("scatter", "beyond it, predicted", "points", measured[~inside], predicted[~inside]),
        rows("scatter", "equal", "paper", ends, ends),
    ]


def threshold_found(table: pd.DataFrame) -> str:
    """What the thresholds show."""
    size = table.loc[table["panel"] == "size"]
    of = {str(words): part.set_index("x")["y"] for words, part in size.groupby("series", sort=False)}
    shared = of[POWERS].index.intersection(of[ENVELOPE].index)
    if not len(shared):
        return "No threshold leaves enough runs for both laws."
    means = {words: float(of[words][shared].mean()) for words in (POWERS, ENVELOPE)}
    better = int((of[ENVELOPE][shared] < of[POWERS][shared]).sum())
    low, high = float(shared.min()), float(shared.max())
    each = ", ".join(f"{words} {of[words][low]:.1f} to {of[words][high]:.1f} %" for words in (POWERS, ENVELOPE))
    return (
        f"Mean size of the error from a threshold at {low:.2f} to one at {high:.2f}: {each}. Over all of them the "
        f"envelope misses by {means[ENVELOPE]:.1f} %, the joint form by {means[POWERS]:.1f} %; the envelope is the "
        f"better at {better} of {len(shared)} thresholds. Rosenfeld et al. print 4.5 % (spread 4.7 %) over their sets."
    )


def _figure_envelope(_: object) -> pd.DataFrame:
    parts = []
    D = np.geomspace(1e2, 1e10, 200)
    for n_params in (1e3, 1e5, 1e7):
        under = rosenfeld.predict(SHOWN, N=n_params, D=D)
        joint = joint_of(SHOWN["E"], SHOWN["L_0"]) + SHOWN["A"] * n_params ** -SHOWN["alpha"]
        joint = joint + SHOWN["B"] * D ** -SHOWN["beta"]
        words = f"N = {style.short(n_params)}"
        near = joint < 3 * SHOWN["L_0"]
        parts.append(rows("regions", words, "fit", D, under))
        parts.append(rows("regions", f"{words}, joint form", "paper", D[near], joint[near]))
    parts.append(rows("regions", "a guess, ln 256", "curve", D, np.full(len(D), SHOWN["L_0"])))
    return tidy(parts, "token")


def _found_envelope(_: pd.DataFrame) -> str:
    loss = np.array([0.3, 0.5, 0.8]) * SHOWN["L_0"]
    lifts = joint_of(loss, SHOWN["L_0"]) / loss - 1
    back = envelope(joint_of(loss, SHOWN["L_0"]), SHOWN["L_0"]) / loss - 1
    said = ", ".join(f"{lift:.0%}" for lift in lifts)
    assert np.abs(back).max() < 1e-9
    return (
        f"At losses of .3, .5 and .8 of a guess's the joint form lies {said} above the envelope: far below a guess the "
        "two are one law, near it the power laws alone predict losses above that of a guess."
    )


def validation_table(evidence: Evidence | None) -> pd.DataFrame:
    """Errors of both laws, fitted and left out."""
    evidence = _given(evidence)
    lines = []
    for words, law in evidence.laws.items():
        found = cross_validate(evidence.cells, law, folds=FOLDS, weights=evidence.cells["n_seeds"].to_numpy(float))
        alone = found.leave_one_out
        lines.append(
            {
                "law": words,
                "cells": f"{found.n_cells}",
                "fitted, rms": f"{found.fitted_rms:.2%}",
                f"{found.folds.parts} parts left out, mean and sd": f"{found.folds.mean:+.2%}, {found.folds.sd:.2%}",
                "each left out, rms": f"{alone.rms:.2%}" if alone else "",
            }
        )
    return pd.DataFrame(lines)


def _law_rows(given: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """Exponents of the model and of the data beside ours."""
    try:
        fitted = _given(given(NEEDS)).fitted
        ours = f"{fitted.params['alpha']:.2f}; {fitted.params['beta']:.2f}"
    except HarnessError as error:
        ours = f"not measured: {error}"
    why = "no: exponents of an error, or of words, on another text and range; ours are of nats under ln(vocabulary)"
    return [
        LawRow(f"exponents of N; of D, {text}", f"{of_model:.2f}; {of_data:.2f}", ours, why)
        for text, (of_model, of_data) in PRINTED.items()
    ]


_AT = "where the thresholds lie in the ranges of ln N and ln D"
THRESHOLD_PANELS = {
    "error": Panel("error of what lies beyond", _AT, "mean and sd, %", x_as=style.plain, log_x=False, log_y=False),
    "size": Panel("its size", _AT, "mean of the absolute error, %", x_as=style.plain, log_x=False),
    "scatter": Panel(
        f"thresholds at {SCATTER_SHARE}, under the envelope",
        "measured loss, nats/{unit}",
        "predicted loss, nats/{unit}",
        x_as=style.plain,
    ),
}


def _threshold(name: str, whose: str, needs: tuple[str, ...], visible: str) -> Figure:
    return Figure(
        name,
        f"Error against the thresholds of N and D below which runs are fitted, {whose}",
        "the error shrinks as the thresholds rise, and the envelope errs less where runs come near a guess.",
        visible,
        needs,
        threshold_figure,
        drawing(THRESHOLD_PANELS),
        threshold_found,
    )


FIGURES = (
    Figure(
        "envelope",
        "The joint form and its envelope, a closed form",
        "three regions: a plateau at the loss of a guess, a power law, and a floor that the size sets.",
        "a closed form of made-up constants, no runs.",
        (),
        _figure_envelope,
        drawing({"regions": Panel("", "tokens D", "loss, nats", within="fit")}),
        _found_envelope,
    ),
    _threshold(
        "threshold",
        "our standard tier",
        NEEDS,
        "losses of 1.1 to 1.8 nats under a guess of 5.5: the envelope moves them by 2 to 5 %, most of which other "
        "coefficients take up.",
    ),
    _threshold(
        "threshold-ladder",
        "a ladder with 1,024 tokens in its vocabulary",
        LADDER,
        "losses of 3.3 to 5.6 nats under a guess of 6.9: the smallest runs lie at .8 of a guess, where the envelope "
        "takes 40 % off the joint form.",
    ),
    Figure(
        "threshold-public",
        "The same on the public points of Hoffmann et al.",
        "errors near one per cent from every threshold, and both laws nearly alike, far below a guess.",
        "240 points of 44M to 16B parameters, losses of 2 to 3.5 nats under a guess of 10.4.",
        (),
        lambda _: threshold_figure(hoffmanns_points()),
        drawing(THRESHOLD_PANELS),
        threshold_found,
        PUBLIC,
    ),
)
TABLES = (
    PaperTable(
        "cross-validation",
        "Errors of runs left out among those fitted, our standard tier",
        "as small as those of the fit: among the runs nothing is extrapolated (theirs: mean below 1 %, sd below 5 %).",
        NEEDS,
        validation_table,
    ),
    PaperTable(
        "cross-validation-ladder",
        "The same of the ladder",
        "the envelope misses less than the joint form.",
        LADDER,
        validation_table,
    ),
)
rosenfeld2020 = Paper(
    "rosenfeld2020",
    "Rosenfeld et al. 2020, A Constructive Prediction of the Generalization Error Across Scales",
    FIGURES,
    evidence_of,
    _law_rows,
    {"quick": {}, "standard": {name: name for name in (*NEEDS, *LADDER)}},
    TABLES,
)
