"""The five steps of Porian et al. 2024 from Kaplan's exponent to Chinchilla's: measured here, and from their points.

`measured_steps` and `published_steps` give the exponent a of N_opt ~ C^a after each step with its interval; `change`
gives what a step moved, with the interval of the difference.
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.arrays import Array, Rows
from analysis.fitting.estimate import Estimate
from analysis.frontier.approach2_akima import akima_approach, porian_draws
from analysis.frontier.approach2_isoflop import slices, vertex_of
from analysis.frontier.frontier_line import MIN_BUDGETS, Approach, Drawn, approach_through, empty_approach
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import LackingRunsError
from analysis.papers.porian2024.evidence import Evidence
from analysis.runs.budgets import budget_groups
from analysis.runs.replicates import design_cells

RESAMPLES = 500
AKIMA_RESAMPLES = 100
WINDOW = 5  # sizes of a budget that its parabola goes through
DATASETS = {"rw": "RefinedWeb", "owt2": "OpenWebText2"}


@dataclass(frozen=True)
class Step:
    """One of the five: its number, its words, its key in `laws.published`, and what causes the change before it."""

    number: int
    words: str
    key: str
    cause: str


STEPS = (
    Step(1, "Kaplan's way", "_kaplan", "N and C without the head, a long warm-up, one long cosine"),
    Step(2, "last layer counted", "_head", "the head's share of N and C falls with the size"),
    Step(3, "warm-up scaled", "_warmup", "a fixed warm-up is longer than the best runs of small budgets"),
    Step(4, "cosine matched", "_cosine", "a cosine longer than the run leaves its rate high"),
    Step(5, "tuned, no decay", "", "one rate and batch for all sizes is too large a batch for small ones"),
)


@dataclass(frozen=True)
class StepExponent:
    """What the runs of one step say.

    Attributes
    ----------
    step : Step
    approach : Approach
        Minima, their line, and its draws: by Akima interpolation for the authors' points, by parabolas for our runs.
    by_akima : Estimate
        The exponent as the authors read it.
    """

    step: Step
    approach: Approach
    by_akima: Estimate

    @property
    def a(self) -> Estimate:
        """Exponent of N_opt, NaN if the budgets do not give one."""
        return self.approach.a

    @property
    def tokens_per_param(self) -> tuple[float, float]:
        """Least and largest D_opt / N_opt over the budgets."""
        points = self.approach.points
        ratio = points["D_opt"].to_numpy(float) / points["N_opt"].to_numpy(float)
        return float(ratio.min()), float(ratio.max())


def published_value(step: Step, dataset: str) -> Estimate:
    """The exponent that the paper's authors published for a step, with their interval; `dataset` of `DATASETS`."""
    middle = {"rw": "", "owt2": "_openwebtext2"}[dataset]
    entry = PUBLISHED[f"porian2024{middle}{step.key}"]
    assert entry.a is not None
    return Estimate(entry.a, None, entry.a_ci)


def published_steps(points: pd.DataFrame, dataset: str = "rw") -> tuple[StepExponent, ...]:
    """Exponents by our analysis of the authors' points, with their model of the noise.

    Parameters
    ----------
    points : DataFrame
        The public table `porian2024`: dataset, step, N, D, flops, loss.
    dataset : str
        Of `DATASETS`.

    Returns
    -------
    tuple of StepExponent
    """
    points = points.rename(columns={"flops": "C", "loss": "L"})
    points = points.loc[(points["dataset"] == dataset) & points["step"].notna()]
    found = []
    for step in STEPS:
        cells = design_cells(points.loc[points["step"].str.startswith(str(step.number))])
        draws = porian_draws(cells, RESAMPLES, np.random.default_rng(step.number))
        approach = akima_approach(cells, draws)
        found.append(StepExponent(step, approach, approach.a))
    return tuple(found)


@functools.cache
def measured_steps(evidence: Evidence) -> tuple[StepExponent, ...]:
    """Exponents of those steps that our runs feed.

    Parameters
    ----------
    evidence : Evidence
        Of the runs of `porian/steps`.

    Returns
    -------
    tuple of StepExponent
        In the order of `STEPS`.

    Raises
    ------
    LackingRunsError
        No step is fed; the message has the reason of each.
    """
    found, reasons = [], []
    for step in STEPS:
        try:
            losses, noise = losses_of(evidence, step)
        except LackingRunsError as error:
            reasons.append(str(error))
            continue
        found.append(_exponent(step, losses, noise))
    if not found:
        raise LackingRunsError("; ".join(reasons))
    return tuple(found)


def losses_of(evidence: Evidence, step: Step) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Losses of a step at the budgets, as `Evidence.along`; and those whose seeds tell their noise.

    The tuned runs have one seed: their noise is that of step 3, or what there is.
    """
    name = f"step {step.number}"
    if step.number <= 2:
        losses = evidence.along(evidence.fixed_warmup, "non_embedding" if step.number == 1 else "with_head", name)
    elif step.number == 3:
        losses = evidence.along(evidence.scaled_warmup, "with_head", name)
    elif step.number == 4:
        losses = evidence.at_ends(evidence.matched, name)
    else:
        losses = evidence.along(evidence.tuned, "with_head", name)
    if step.number < 5 or evidence.scaled_warmup.empty:
        return losses, losses
    return losses, evidence.along(evidence.scaled_warmup, "with_head", name)


def change(before: StepExponent, after: StepExponent) -> Estimate:
    """What the step after moved the exponent by; draws of steps that share runs or seeds are of the same noise."""
    value = after.a.value - before.a.value
    n = min(len(after.approach.a_draws), len(before.approach.a_draws))
    return Estimate.from_draws(value, after.approach.a_draws[:n] - before.approach.a_draws[:n])


def changes(found: Sequence[StepExponent]) -> tuple[Estimate, ...]:
    """`change` of each step after the first."""
    return tuple(change(before, after) for before, after in itertools.pairwise(found))


def _exponent(step: Step, losses: pd.DataFrame, noise: pd.DataFrame) -> StepExponent:
    cells = losses.groupby(["C", "N"], as_index=False).agg(
        D=("D", "mean"), log_loss=("log_loss", "mean"), n_seeds=("seed", "nunique")
    )
    cells = cells.assign(L=np.exp(cells["log_loss"]))
    seed = 0 if noise is losses else step.number  # steps that share runs share their noise
    draws = cells["log_loss"].to_numpy() + noise_draws(cells, noise, np.random.default_rng(seed))
    return StepExponent(step, parabola_approach(cells, draws), akima_approach(cells, draws[:AKIMA_RESAMPLES]).a)


def parabola_approach(cells: pd.DataFrame, log_loss_KR: Array) -> Approach:
    """Approach 2 through the sizes around the lowest loss of each budget.

    With one or two seeds and few sizes it is two to three times as sure as Akima's interpolant, whose minima jump from
    size to size (the quick tier of 2026-11-28: half-widths of .023 and .065).

    Parameters
    ----------
    cells : DataFrame
        N, D, C, L and log_loss, one C a budget.
    log_loss_KR : array (K, cells)
        Resampled ln L.

    Returns
    -------
    Approach
    """
    near = np.concatenate([rows[_around_lowest(cells.iloc[rows])] for rows in budget_groups(cells["C"].to_numpy())])
    cells, drawn_KR = cells.iloc[near].reset_index(drop=True), np.exp(log_loss_KR[:, near])
    pieces = slices(cells)
    used = [piece for piece in pieces if piece.problem is None]
    excluded = [
        {"what": f"budget {piece.train_flops:.3g} FLOP", "reason": piece.problem} for piece in pieces if piece.problem
    ]
    points = pd.DataFrame(
        [(piece.train_flops, piece.n_opt, piece.d_opt, piece.loss) for piece in used],
        columns=["C", "N_opt", "D_opt", "loss"],
        dtype=float,
    )
    if len(points) < MIN_BUDGETS:
        return empty_approach("2", points, excluded, f"{len(points)} budgets with a minimum inside their sizes")
    log_n, log_d = (
        np.stack([vertex_of(np.log(cells[x].to_numpy(float)[p.rows]), drawn_KR[:, p.rows])[0] for p in used], axis=1)
        for x in ("N", "D")
    )
    return approach_through("2", points, Drawn(log_n), Drawn(log_d), excluded)


def _around_lowest(budget: pd.DataFrame) -> Rows:
    """Rows of the `WINDOW` sizes around the one of lowest loss."""
    order = np.argsort(budget["N"].to_numpy(float))
    lowest = int(budget["log_loss"].to_numpy(float)[order].argmin())
    start = max(0, min(lowest - WINDOW // 2, len(order) - WINDOW))
    return np.sort(order[start : start + WINDOW])


def noise_draws(cells: pd.DataFrame, losses: pd.DataFrame, rng: np.random.Generator) -> Array:
    """Noise of the cells' means, (K, cells), by how seeds of the losses differ.

    A run that is late at one budget is late at the next: each draw of a size mixes the differences between seeds of all
    sizes, all budgets of a run together, so that it has their correlation. Student's t by the number of differences.

    Raises
    ------
    LackingRunsError
        No size has two seeds.
    """
    budgets, R_RB, dof = _seed_residuals(losses)
    sizes = np.unique(cells["N"].to_numpy(float))
    normal_KSR = rng.standard_normal((RESAMPLES, len(sizes), len(R_RB)))
    wider_K = np.sqrt(dof / rng.chisquare(dof, RESAMPLES))
    noise_KSB = normal_KSR @ R_RB * wider_K[:, None, None]
    at_s = np.searchsorted(sizes, cells["N"].to_numpy(float))
    at_b = np.abs(np.log(cells["C"].to_numpy(float)[:, None] / budgets)).argmin(axis=1)
    return noise_KSB[:, at_s, at_b] / np.sqrt(cells["n_seeds"].to_numpy(float))


def _seed_residuals(losses: pd.DataFrame) -> tuple[Array, Array, int]:
    """Budgets; rows whose squares sum to the variance of one run at each; and how many sizes they rest on."""
    budgets = np.unique(losses["C"].to_numpy(float))
    parts = []
    for _, of_size in losses.groupby("N"):
        seeds = np.unique(of_size["seed"].to_numpy())
        log_loss_RB = np.full((len(seeds), len(budgets)), np.nan)
        at_r = np.searchsorted(seeds, of_size["seed"].to_numpy())
        log_loss_RB[at_r, np.searchsorted(budgets, of_size["C"].to_numpy(float))] = of_size["log_loss"].to_numpy(float)
        n_B = np.isfinite(log_loss_RB).sum(axis=0)
        centred = log_loss_RB - np.nansum(log_loss_RB, axis=0) / np.maximum(n_B, 1)
        parts.append(np.where(n_B > 1, centred / np.sqrt(np.maximum(n_B - 1, 1)), np.nan))
    has_SB = np.array([np.isfinite(part).any(axis=0) for part in parts])
    if not has_SB.any():
        raise LackingRunsError("no size has two seeds: the noise of the exponents is not known")
    R_RB = np.nan_to_num(np.concatenate(parts)) / np.sqrt(np.maximum(has_SB.sum(axis=0), 1))
    return budgets, R_RB, int(has_SB.any(axis=1).sum())
