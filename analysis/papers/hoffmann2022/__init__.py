"""Hoffmann et al. 2022, Training Compute-Optimal Large Language Models: its figures and tables from our runs."""

from analysis.papers.figure import Paper
from analysis.papers.hoffmann2022.counting import TABLE_A4, TABLE_A9
from analysis.papers.hoffmann2022.evidence import Evidence
from analysis.papers.hoffmann2022.frontier import FIGURE_1, FIGURE_2, FIGURE_3, FIGURE_4, FIGURE_A3, FIGURE_A5
from analysis.papers.hoffmann2022.recipe import FIGURE_A1, FIGURE_A4, FIGURE_A6
from analysis.papers.hoffmann2022.tables import TABLE_2, TABLE_3, TABLE_A3, law_rows
from analysis.papers.hoffmann2022.texts import FIGURE_A2, TABLE_A2

TRAINED = (
    "hoffmann/cosine-length",
    "hoffmann/code",
    "hoffmann/docstrings",
    "hoffmann/head-to-head",
    "hoffmann/weight-decay",
)

hoffmann2022 = Paper(
    "hoffmann2022",
    "Hoffmann et al. 2022, Training Compute-Optimal Large Language Models",
    (FIGURE_1, FIGURE_2, FIGURE_3, FIGURE_4, FIGURE_A1, FIGURE_A2, FIGURE_A3, FIGURE_A4, FIGURE_A5, FIGURE_A6),
    Evidence.of,
    law_rows,
    {
        "quick": {name: name for name in TRAINED},
        "standard": {name: name for name in (*TRAINED, "reproduce-standard")},
        "paper": {"reproduce-standard": "hoffmann/paper-grid"},
    },
    (TABLE_2, TABLE_3, TABLE_A2, TABLE_A3, TABLE_A4, TABLE_A9),
)
