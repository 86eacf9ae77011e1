"""Cagnetta et al. 2026, Deriving neural scaling laws from the statistics of natural language."""

from collections.abc import Callable
from typing import Any

from analysis.papers.cagnetta2026.evidence import Evidence
from analysis.papers.cagnetta2026.figures import FIGURES, GRAMMAR, ONE_PASS, TABLES, TEXT, apart
from analysis.papers.figure import LawRow, Paper
from scaling_harness.errors import HarnessError

_ROWS = {
    GRAMMAR: "alpha_D of a grammar",
    TEXT: "alpha_D of speeches, limited tokens",
    ONE_PASS: "alpha_D of speeches, tokens seen once",
}


def _law_rows(evidence_of: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """The exponent predicted, beside the one fitted: here `published` is the theory's for these tokens."""
    return [_row(words, needs, evidence_of) for needs, words in _ROWS.items()]


def _row(words: str, needs: tuple[str, ...], evidence_of: Callable[[tuple[str, ...]], Any]) -> LawRow:
    try:
        evidence = evidence_of(needs)
        predicted, measured = evidence.prediction.alpha_d, evidence.measured
    except HarnessError as error:
        return LawRow(words, "gamma / 2 beta of its tokens", "–", f"not measured: {error}")
    said = f"{apart(predicted, measured.exponent)}; {measured.words}"
    return LawRow(words, f"{predicted:.3f}, predicted", f"{measured.exponent:.3f}", said)


cagnetta2026 = Paper(
    "cagnetta2026",
    "Cagnetta et al. 2026, Deriving neural scaling laws from the statistics of natural language",
    FIGURES,
    Evidence.of,
    _law_rows,
    {"quick": {name: name for name in (*GRAMMAR, *TEXT)}},
    TABLES,
)
