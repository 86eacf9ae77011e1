"""Pearce and Song 2024: closed forms, synthetic runs and our own ladder by both counts.

For a reconciliation: `synthetic.predicted_exponents` and `measured.measured_exponents`.
"""

from analysis.papers.figure import Paper
from analysis.papers.pearce2024.closed_form import FIGURE_1, FIGURE_2, FIGURE_3, FIGURE_4
from analysis.papers.pearce2024.ladder import FIGURE_5, FIGURE_6, SWEEP, TABLE_1, law_rows
from analysis.papers.pearce2024.measured import Ladder

pearce2024 = Paper(
    "pearce2024",
    "Pearce and Song 2024, Reconciling Kaplan and Chinchilla Scaling Laws",
    (FIGURE_1, FIGURE_2, FIGURE_3, FIGURE_4, FIGURE_5, FIGURE_6),
    Ladder.of,
    law_rows,
    {"quick": {SWEEP: SWEEP}},
    (TABLE_1,),
)
