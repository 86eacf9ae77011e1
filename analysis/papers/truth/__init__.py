"""Tokens of known entropy: is E, an exponent, a forecast what it should be? No paper's, but the harness's own."""

from analysis.papers.figure import Paper
from analysis.papers.truth.evidence import TruthEvidence
from analysis.papers.truth.tables import FIGURES, SOURCES, TABLES, law_rows

truth = Paper(
    "truth",
    "Ground truth: the harness scored on tokens of known entropy",
    FIGURES,
    TruthEvidence.of,
    law_rows,
    {
        "quick": {sweep: sweep for sweep in SOURCES.values()},
        "standard": {sweep: f"{sweep}-standard" for sweep in SOURCES.values()},
    },
    TABLES,
)
