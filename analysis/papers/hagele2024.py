"""Hägele et al. 2024, Scaling Laws and Compute-Optimal Training Beyond Fixed Durations: cosines against branches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.comparing.paired_runs import Pairing, pairings, read_records
from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.papers.by_setting import changes, mean_curve, runs_by
from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper
from analysis.papers.tidy import Panel, drawing, rows, tidy, with_room
from analysis.runs.conventions import unit_of
from scaling_harness.errors import HarnessError

KIND = "schedule.kind"
NEEDS = ("hagele/horizons",)
COOLDOWN = 0.2
COSINES, BRANCHES = "cosine, a run for each length", "WSD, branches of one run"


@dataclass(frozen=True)
class Evidence:
    """Paths of sweeps; a figure reads the first."""

    paths: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """Path of the sweep.

        Raises
        ------
        LackingRunsError
            None was given.
        """
        if not self.paths:
            raise LackingRunsError("no runs are given")
        return self.paths[0]

    @property
    def runs(self) -> pd.DataFrame:
        """Cosine runs and branches, a row each."""
        return runs_by(self.path, {KIND: "cosine"})

    @property
    def pairing(self) -> Pairing:
        """Branches of WSD trunks against cosine runs.

        Raises
        ------
        HarnessError
            Other schedules, or one alone.
        """
        records, _ = read_records(self.path)
        found = [
            pair for pair in pairings(records, [KIND]) if pair.first.endswith("cosine") and pair.second.endswith("wsd")
        ]
        if not found:
            raise HarnessError("it compares runs of the schedule wsd with those of cosine")
        return found[0]


def _of(paths: Sequence[Path]) -> Evidence:
    return Evidence(tuple(paths))


def _unit(runs: pd.DataFrame) -> str:
    return unit_of(runs["vocab_size"].iloc[0])


def _figure_1(evidence: Evidence) -> pd.DataFrame:
    runs = evidence.runs
    largest = runs.loc[runs["N"] == runs["N"].max()]
    parts = []
    for kind, words in (("cosine", COSINES), ("wsd", BRANCHES)):
        of_kind = largest.loc[largest[KIND] == kind]
        if of_kind.empty:
            raise HarnessError(f"no run of the largest size has the schedule {kind}")
        lines = [mean_curve(group) for _, group in of_kind.groupby("D")]
        x, y = (np.concatenate([line[i] for line in lines]) for i in (0, 1))
        parts.append(rows("curves", words, "curve", x, y))
        ends = of_kind.groupby("D")["loss"].mean()
        parts.append(rows("ends", words, "points", ends.index, ends))
    return tidy(parts, _unit(runs))


def _found_1(table: pd.DataFrame) -> str:
    ends = table.loc[table["panel"] == "ends"].pivot_table(index="x", columns="series", values="y")
    apart = 100 * (ends[BRANCHES] / ends[COSINES] - 1).to_numpy(float)
    return (
        f"Over {len(ends)} lengths the means of branches end {apart.min():+.2f} to {apart.max():+.2f} % from those of "
        "cosines (paper: they match)."
    )


def _figure_2(evidence: Evidence) -> pd.DataFrame:
    runs = evidence.runs
    found = changes(runs, KIND, "cosine")
    parts = []
    for _, cell in found.groupby("N"):
        words = f"N {style.short(float(cell['N'].iloc[0]))}, seeds paired, 95 %"
        parts.append(rows("change", words, "points", cell["D"], cell["change"], low=cell["low"], high=cell["high"]))
    total = evidence.pairing.difference
    value, ends = _in_percent(total)
    across = found["D"].min(), found["D"].max()
    parts.append(
        rows("change", f"mean of all, 95 %: {value:+.2f} [{ends[0]:.2f}, {ends[1]:.2f}]", "fit", across, [value] * 2)
    )
    return tidy(parts, _unit(runs))


def _in_percent(difference: Estimate) -> tuple[float, tuple[float, float]]:
    """Difference of ln L as per cent of the loss, with its interval."""
    low, high = difference.ci95 or (np.nan, np.nan)
    value, low, high = (float(100 * np.expm1(x)) for x in (difference.value, low, high))
    return value, (low, high)


def _found_2(table: pd.DataFrame) -> str:
    points = table.loc[table["kind"] == "points"]
    better, worse = int((points["high"] < 0).sum()), int((points["low"] > 0).sum())
    mean = table.loc[table["kind"] == "fit", "series"].iloc[0].split(": ")[1]
    return (
        f"Branches differ from cosine runs by {mean} % of the loss; of {len(points)} sizes and lengths they are better "
        f"beyond noise in {better}, worse in {worse} (paper: they match, with a cool-down of a fifth)."
    )


def cost_ratio(horizons: np.ndarray, cooldown: float = COOLDOWN) -> float:
    """FLOPs of one trunk with a branch for each horizon, over those of a cosine for each: D_max + f sum D over sum D.

    The trunk goes to where the longest branch begins, so that its own cool-down is one of the branches.
    """
    longest = float(np.max(horizons))
    return ((1 - cooldown) * longest + cooldown * float(np.sum(horizons))) / float(np.sum(horizons))


def _figure_3(evidence: Evidence) -> pd.DataFrame:
    counts = np.arange(1, 9)
    parts = [
        rows(
            "cost",
            f"lengths a factor {step} apart",
            "fit",
            counts,
            [cost_ratio(float(step) ** np.arange(n)) for n in counts],
        )
        for step in (1.25, 2, 4)
    ]
    paper = cost_ratio(np.array([10.0, 20.0, 30.0]))
    parts.append(rows("cost", "paper's lengths, 10, 20, 30 tokens a parameter", "points", [3], [paper]))
    parts += _measured_cost(evidence)
    return tidy(parts, "token")


def _measured_cost(evidence: Evidence) -> list[pd.DataFrame]:
    """Share of the FLOPs that the sweep's trunks and branches took; nothing without runs."""
    if not evidence.paths:
        return []
    pair = evidence.pairing
    n_lengths = len({cell.n_tokens for cell in pair.cells})
    return [
        rows("cost", f"our FLOPs: {pair.flops_share:.3f}", "points", [n_lengths], [pair.flops_share]),
        rows("cost", f"our seconds of training: {pair.time_share:.3f}", "points", [n_lengths], [pair.time_share]),
    ]


def _found_3(table: pd.DataFrame) -> str:
    paper = table.loc[table["series"].str.startswith("paper"), "y"].iloc[0]
    ours = [series for series in table["series"].unique() if series.startswith("our ")]
    measured = "; ".join(ours) + " of the cosine runs'" if ours else "ours are not trained"
    return f"{measured}; three lengths of 10, 20 and 30 take {paper:.2f} (paper: about half, for more lengths)."


FIGURE_1 = Figure(
    "1",
    "A cosine for each length against branches of one constant run",
    "branches fall in their last fifth to where the cosine of that length ends.",
    "four lengths a factor 2 apart, three seeds: the ends are known to .2 %.",
    NEEDS,
    _figure_1,
    drawing(
        {
            "curves": Panel("along the runs, largest size", "tokens, {unit}s", "validation loss, nats/{unit}"),
            "ends": Panel("ends, largest size", "D, {unit}s", "final loss, nats/{unit}"),
        }
    ),
    _found_1,
)
FIGURE_2 = Figure(
    "2",
    "What a branch loses against the cosine of its length",
    "nothing at any length or size: points about zero.",
    "seeds paired: .2 to .4 % a point, .15 % of all.",
    NEEDS,
    _figure_2,
    with_room({"change": Panel("", "D, {unit}s", "branch against cosine, % of the loss", log_y=False)}, above=0.2),
    _found_2,
)
FIGURE_3 = Figure(
    "3",
    "What branches cost",
    "the more lengths and the closer they lie, the less a branch costs: toward a fifth, the cool-down.",
    "FLOPs are counted, not measured; seconds are those of a machine with other work.",
    NEEDS,
    _figure_3,
    drawing(
        {"cost": Panel("", "number of lengths", "cost over a cosine each", x_as=style.plain, log_x=False, log_y=False)}
    ),
    _found_3,
)


def _law_rows(evidence_of: Callable[[tuple[str, ...]], Evidence]) -> list[LawRow]:
    """Loss and cost of branches."""
    same, about = (
        "the same recipe at both",
        "the lengths differ: three, of 10, 20 and 30 tokens a parameter, in the paper",
    )
    try:
        pair = evidence_of(NEEDS).pairing
    except HarnessError as error:
        return [LawRow("loss of branches over cosine", "0 %", "–", f"not measured: {error}")]
    value, ends = _in_percent(pair.difference)
    return [
        LawRow("loss of branches over cosine", "0 %", f"{value:+.2f} % [{ends[0]:.2f}, {ends[1]:.2f}]", same),
        LawRow("FLOPs of branches over cosine", "about .5", f"{pair.flops_share:.2f}", about),
    ]


hagele2024 = Paper(
    "hagele2024",
    "Hägele et al. 2024, Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations",
    (FIGURE_1, FIGURE_2, FIGURE_3),
    _of,
    _law_rows,
    {"quick": {name: name for name in NEEDS}, "standard": {name: name for name in NEEDS}},
)
