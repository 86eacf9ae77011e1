"""Emergence: exact match on answers of k tokens, and the smooth loss behind it. No paper's, but a general warning's."""

from analysis.papers.emergence.evidence import Evidence
from analysis.papers.emergence.figures import FIGURES, NEEDS, TABLES, law_rows
from analysis.papers.figure import Paper

emergence = Paper(
    "emergence",
    "Emergence: a threshold that the measure makes",
    FIGURES,
    Evidence.of,
    law_rows,
    {"quick": {NEEDS[0]: NEEDS[0]}},
    TABLES,
)
