"""Porian et al. 2024, Resolving Discrepancies in Compute-Optimal Scaling: five steps from Kaplan to Chinchilla.

`steps.measured_steps` and `steps.published_steps` give each step's exponent with its interval, `steps.changes` what
each step moved.
"""

from collections.abc import Callable
from typing import Any

from analysis.papers.figure import LawRow, Paper
from analysis.papers.porian2024.evidence import Evidence
from analysis.papers.porian2024.figures import (
    FIGURE_1,
    FIGURE_1_PUBLISHED,
    FIGURE_EXPONENTS,
    FIGURE_ISOFLOPS,
    FIGURE_TUNING,
    NEEDS,
    TABLE_EXPONENTS,
    TABLE_PUBLISHED,
)
from analysis.papers.porian2024.steps import STEPS, measured_steps, published_value
from scaling_harness.errors import HarnessError

COMPARABLE = "the exponent is; bytes and muP here, and budgets a million times smaller"


def _law_rows(evidence_of: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """The exponent after each step, published and ours."""
    reason, ours = "", {}
    try:
        ours = {each.step.number: each for each in measured_steps(evidence_of(NEEDS))}
    except HarnessError as error:
        reason = str(error)
    found = []
    for step in STEPS:
        said = f"{ours[step.number].a:.2f}" if step.number in ours else f"not measured: {reason or 'no runs of it'}"
        found.append(LawRow(f"a, {step.number} {step.words}", f"{published_value(step, 'rw'):.3f}", said, COMPARABLE))
    return found


def _read(paths: Any) -> Any:
    """Evidence of the runs; None without paths, for figures of the public table."""
    return Evidence.of(paths) if paths else None


porian2024 = Paper(
    "porian2024",
    "Porian et al. 2024, Resolving Discrepancies in Compute-Optimal Scaling of Language Models",
    (FIGURE_1, FIGURE_1_PUBLISHED, FIGURE_EXPONENTS, FIGURE_ISOFLOPS, FIGURE_TUNING),
    _read,
    _law_rows,
    {"quick": {"porian/steps": "porian/steps"}},
    (TABLE_EXPONENTS, TABLE_PUBLISHED),
)
