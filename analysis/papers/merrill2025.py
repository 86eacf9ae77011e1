"""Merrill et al. 2025, Critical Batch Size Revisited: a local critical batch, from runs of several batches.

The paper branches runs of several batches off one checkpoint, as figure `branched` does here. Figure 1 reads a local
batch from the steps that runs of each batch, trained from the start, take between two losses: the same question for
runs that have come from their own batch, and so without the paper's assumption that a branch recovers from the change.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.figures import style
from analysis.hyperparameters.branched import TOLERANCE_NATS, LocalBatch, branches_of, points_of
from analysis.hyperparameters.critical_batch import CriticalBatches, critical_batches
from analysis.laws.critical_batch import doubled_batches
from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper
from analysis.papers.kaplan2020.evidence import RESAMPLES, Evidence
from analysis.papers.tidy import Panel, drawing, rows, tidy
from scaling_harness.errors import HarnessError

NEEDS = ("kaplan/critical-batch",)
BRANCHES = ("merrill/branches",)
LOCAL, WHOLE = "local critical batch, 95 %", "critical batch of the whole run"
NOISE = "gradient noise scale, 95 %"
FIRST = 128.0  # tokens a step at the start of the batch warm-up
N_GRID = 400


def increments(steps: pd.DataFrame) -> pd.DataFrame:
    """Steps and tokens of each batch from one loss to the next lower one.

    Parameters
    ----------
    steps : DataFrame
        From `steps_to_loss`.

    Returns
    -------
    DataFrame
        The same columns; S and E are differences, L the lower loss. A row of which one of the two losses has a problem
        has it too.
    """
    parts = []
    for _, run in steps.groupby(["N", "B"]):
        run = run.sort_values("L", ascending=False)
        later, before = run.iloc[1:].reset_index(drop=True), run.iloc[:-1].reset_index(drop=True)
        S, E = later["S"] - before["S"], later["E"] - before["E"]
        problem = later["problem"].where(later["problem"].notna(), before["problem"])
        problem = problem.where(problem.notna() | (S > 0), "no more steps than to the loss before")
        parts.append(later.assign(S=S, E=E, problem=[each if isinstance(each, str) else None for each in problem]))
    found = pd.concat(parts, ignore_index=True)
    return found.sort_values(["N", "L", "B"], ascending=[True, False, True], ignore_index=True)


def local_batches(evidence: Evidence) -> CriticalBatches:
    """Local critical batches: E_min/S_min of the hyperbola of each stretch between two losses.

    Raises
    ------
    LackingRunsError
        No stretch has one; with the first reason.
    """
    found = critical_batches(increments(evidence.critical.steps), resamples=RESAMPLES)
    if not any(each.fit for each in found.hyperbolas):
        reasons = (each.problem for each in found.hyperbolas if each.problem)
        raise LackingRunsError(next(reasons, "no loss is reached"))
    return found


def tokens_at(evidence: Evidence, n_params: float, loss: Any) -> Array:
    """Tokens that the smallest batch takes to these losses: how far training is."""
    steps = evidence.critical.steps
    of_size = steps.loc[(steps["N"] == n_params) & steps["E"].notna()]
    if of_size.empty:
        return np.full(np.shape(loss), np.nan)
    fewest = of_size.loc[of_size["B"] == of_size["B"].min()].sort_values("L")
    x, y = np.log(fewest["L"].to_numpy(float)), np.log(fewest["E"].to_numpy(float))
    return np.exp(np.interp(np.log(np.asarray(loss, float)), x, y, left=np.nan, right=np.nan))


def _figure_1(evidence: Evidence) -> pd.DataFrame:
    parts = []
    for found, words in ((local_batches(evidence), LOCAL), (evidence.critical, WHOLE)):
        for n_params, of_size in found.table().dropna(subset=["B_crit"]).groupby("N"):
            size = float(str(n_params))
            at = {"low": of_size["B_crit_low"], "high": of_size["B_crit_high"]} if words == LOCAL else {}
            tokens = tokens_at(evidence, size, of_size["L"])
            parts.append(
                rows("local", words, "points", tokens, of_size["B_crit"], n_params=np.full(len(tokens), size), **at)
            )
    for point in evidence.noise:
        low, high = point.ci95 or (np.nan, np.nan)
        tokens = tokens_at(evidence, point.n_params, [point.loss_nats])
        at = {"low": [low], "high": [high], "n_params": [point.n_params]}
        if np.isfinite(tokens[0]):
            parts.append(rows("local", NOISE, "points", tokens, [point.tokens or np.nan], **at))
    return tidy(parts, evidence.unit)


def _found_1(table: pd.DataFrame) -> str:
    local = table.loc[table["series"] == LOCAL].sort_values("x")
    unit, said = table["unit"].iloc[0], []
    for n_params, of_size in local.groupby("n_params"):
        x, y = of_size["x"].to_numpy(float), of_size["y"].to_numpy(float)
        ends = f"{style.short(y[0])} at {style.short(x[0])} to {style.short(y[-1])} at {style.short(x[-1])}"
        growth = np.log(y[-1] / y[0]) / np.log(x[-1] / x[0]) if len(x) > 1 else np.nan
        said.append(f"N = {style.short(float(str(n_params)))}: from {ends} {unit}s, tokens to the {growth:.2f}")
    noise = table.loc[table["series"] == NOISE]
    if noise.empty:
        return "; ".join(said) + "; the noise scale was not measured."
    beside = noise.loc[noise["x"].between(local["x"].min(), local["x"].max())]
    fitted = np.exp(np.interp(np.log(beside["x"]), np.log(local["x"]), np.log(local["y"])))
    ratio = float(np.exp(np.log(beside["y"] / fitted).mean())) if len(beside) else np.nan
    return (
        "; ".join(said) + f"; the noise scale is {ratio:.2g} times the local batch (paper: orders of magnitude below)."
    )


def _figure_warmup(evidence: Evidence) -> pd.DataFrame:
    parts = []
    for n_params, of_size in local_batches(evidence).table().dropna(subset=["B_crit"]).groupby("N"):
        size = float(str(n_params))
        tokens = tokens_at(evidence, size, of_size["L"])
        order = np.argsort(tokens)
        if len(order) < 2:
            continue
        x, y = np.log(tokens[order]), np.log(of_size["B_crit"].to_numpy(float)[order])
        grid = np.geomspace(tokens[order][0], tokens[order][-1], N_GRID)
        local = np.exp(np.interp(np.log(grid), x, y))
        panel = f"N = {style.short(size)}"
        parts.append(rows(panel, "local critical batch", "points", tokens[order], np.exp(y)))
        parts.append(rows(panel, "warm-up of the batch", "fit", grid, doubled_batches(local, FIRST)))
    if not parts:
        raise LackingRunsError("no size has a local batch at two losses")
    return tidy(parts, evidence.unit)


def steps_saved(tokens: Array, batch: Array) -> float:
    """Share of the steps that a batch along the tokens saves over its first one throughout."""
    mean = (batch[1:] + batch[:-1]) / 2
    return 1 - float((np.diff(tokens) / mean).sum() / ((tokens[-1] - tokens[0]) / batch[0]))


def _found_warmup(table: pd.DataFrame) -> str:
    said = []
    for panel, part in table.loc[table["kind"] == "fit"].groupby("panel", sort=False):
        tokens, batch = part["x"].to_numpy(float), part["y"].to_numpy(float)
        n = int(np.log2(batch[-1] / batch[0]))
        said.append(
            f"{panel}: {n} doublings from {batch[0]:g} to {batch[-1]:g}, {steps_saved(tokens, batch):.0%} fewer "
            f"steps than at {batch[0]:g} throughout"
        )
    return "Predicted, not trained: " + "; ".join(said) + " (paper, trained: 43 %)."


def _figure_branched(evidence: Evidence) -> pd.DataFrame:
    local = evidence.branched
    if not local:
        raise LackingRunsError("no run is a branch of several batches (schedule branched)")
    parts, branches = [], branches_of(evidence.branches)
    for at in points_of(branches):
        size, start = (style.short(at[name].to_numpy(float)[0]) for name in ("N", "start"))
        words = f"N {size}, from {start} {evidence.unit}s on"
        parts += [rows("change", words, kind, at["B"], at["L"] - at["L"].iloc[0]) for kind in ("points", "fit")]
    batches = branches["B"].to_numpy(float)
    tried = [batches.min(), batches.max()]
    parts.append(rows("change", f"tolerance, {TOLERANCE_NATS:g} nats", "paper", tried, [TOLERANCE_NATS] * 2))
    for each in local:
        at = {"low": [each.batch], "high": [each.highest], "n_params": [each.n_params]}
        parts.append(
            rows("local", f"N {style.short(each.n_params)}", "points", [each.start_tokens], [each.middle], **at)
        )
    return tidy(parts, evidence.unit)


def _found_branched(table: pd.DataFrame) -> str:
    local, said = table.loc[table["panel"] == "local"], []
    for words, of_size in local.groupby("series"):
        each = [
            f"{row.low:,.0f} to {row.high:,.0f} at {style.short(row.x)}"
            if row.high > row.low
            else f"{row.low:,.0f}, the largest tried, at {style.short(row.x)}"
            for row in of_size.sort_values("x").itertuples()
        ]
        said.append(f"{words}: {'; '.join(each)}")
    return f"Local critical batch, {table['unit'].iloc[0]}s: {'. '.join(said)} (paper: near 0, a fast rise, a plateau)."


def _law_rows(evidence_of: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """The local batch at the end of training; and what is not measured."""
    try:
        table = local_batches(evidence_of(NEEDS)).table().dropna(subset=["B_crit"])
        last = table.loc[table.groupby("N")["L"].idxmin()]
        ours = "; ".join(
            f"N = {style.short(n)}: {style.short(b)}" for n, b in zip(last["N"], last["B_crit"], strict=True)
        )
    except HarnessError as error:
        ours = f"not measured: {error}"
    try:
        last = [max(found, key=lambda each: each.start_tokens) for found in _by_size(evidence_of(BRANCHES).branched)]
        branched = "; ".join(f"N = {style.short(each.n_params)}: {_range(each)}" for each in last) or "no branches"
    except HarnessError as error:
        branched = f"not measured: {error}"
    return [
        LawRow(
            "local critical batch late in training, tokens",
            "about 4,096 documents of 4,096 (1B and 7B, a plateau)",
            ours,
            "that it grows is; its level is of other tokens, and of less than a hundred-thousandth as many",
        ),
        LawRow(
            "local critical batch by branched training",
            "about 4,096 documents of 4,096, tolerance .01 nats",
            branched,
            "the method is the paper's, with held-out losses of two seeds instead of a smoothed training loss; its "
            "level is of other tokens",
        ),
    ]


def _by_size(found: tuple[LocalBatch, ...]) -> list[list[LocalBatch]]:
    return [[each for each in found if each.n_params == n] for n in sorted({each.n_params for each in found})]


def _range(local: LocalBatch) -> str:
    if local.highest > local.batch:
        return f"{local.batch:,.0f} to {local.highest:,.0f}"
    return f"{local.batch:,.0f} or more"


FIGURE_1 = Figure(
    "1",
    "The local critical batch along training",
    "near 0 at the start, a fast rise, then a slower one; the gradient noise scale below it.",
    "it grows some tenfold over these runs; an interval is a factor of 1.5 to 2, as losses lie close together.",
    NEEDS,
    _figure_1,
    drawing({"local": Panel("", "tokens of the smallest batch, {unit}s", "batch, {unit}s", y_as=style.short)}),
    _found_1,
)
FIGURE_WARMUP = Figure(
    "warmup",
    "A batch that doubles when the local critical batch is above twice it",
    "a staircase below the local batch: most of training has a batch that would have hurt at its start.",
    "a rule applied to the measured local batch; no run was trained with it.",
    NEEDS,
    _figure_warmup,
    drawing(Panel("", "tokens, {unit}s", "batch, {unit}s", y_as=style.short)),
    _found_warmup,
)
FIGURE_BRANCHED = Figure(
    "branched",
    "Branched training: several batches from one state",
    "the loss stays level up to a batch and rises beyond it; that batch grows along training.",
    f"a tolerance of {TOLERANCE_NATS:g} nats, as in the paper, is some times the noise between two seeds' means.",
    BRANCHES,
    _figure_branched,
    drawing(
        {
            "change": Panel("", "batch, {unit}s", "loss above that of the smallest batch, nats/{unit}", log_y=False),
            "local": Panel("", "tokens before the branches, {unit}s", "batch, {unit}s", y_as=style.short),
        }
    ),
    _found_branched,
)
merrill2025 = Paper(
    "merrill2025",
    "Merrill et al. 2025, Critical Batch Size Revisited",
    (FIGURE_1, FIGURE_BRANCHED, FIGURE_WARMUP),
    Evidence.of,
    _law_rows,
    {"quick": {name: name for name in BRANCHES}, "standard": {name: name for name in NEEDS + BRANCHES}},
)
