"""Kaplan et al. 2020, Scaling Laws for Neural Language Models: its figures and laws from our runs."""

from analysis.papers.figure import Paper
from analysis.papers.kaplan2020.architectures import FIGURE_7, FIGURE_17, FIGURE_20, FIGURE_21
from analysis.papers.kaplan2020.compute import FIGURE_3, FIGURE_4, FIGURE_12, FIGURE_13, FIGURE_14
from analysis.papers.kaplan2020.critical import FIGURE_10, FIGURE_18
from analysis.papers.kaplan2020.crossing import FIGURE_15
from analysis.papers.kaplan2020.distributions import FIGURE_8
from analysis.papers.kaplan2020.embeddings import FIGURE_6
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.papers.kaplan2020.fixed_budget import FIGURE_11, FIGURE_19
from analysis.papers.kaplan2020.laws import law_rows
from analysis.papers.kaplan2020.limited_data import FIGURE_9, FIGURE_16
from analysis.papers.kaplan2020.one_variable import FIGURE_1, FIGURE_2, FIGURE_23
from analysis.papers.kaplan2020.schedules import FIGURE_22
from analysis.papers.kaplan2020.shape import FIGURE_5, FIGURE_24

OURS = tuple(
    f"kaplan/{name}"
    for name in (
        "critical-batch",
        "sizes",
        "shape",
        "schedules",
        "embeddings",
        "data-limited",
        "architectures",
        "distributions",
    )
)
kaplan2020 = Paper(
    "kaplan2020",
    "Kaplan et al. 2020, Scaling Laws for Neural Language Models",
    (
        FIGURE_1,
        FIGURE_2,
        FIGURE_3,
        FIGURE_4,
        FIGURE_5,
        FIGURE_6,
        FIGURE_7,
        FIGURE_8,
        FIGURE_9,
        FIGURE_10,
        FIGURE_11,
        FIGURE_12,
        FIGURE_13,
        FIGURE_14,
        FIGURE_15,
        FIGURE_16,
        FIGURE_17,
        FIGURE_18,
        FIGURE_19,
        FIGURE_20,
        FIGURE_21,
        FIGURE_22,
        FIGURE_23,
        FIGURE_24,
    ),
    Evidence.of,
    law_rows,
    {
        "quick": {"kaplan/critical-batch": "kaplan/critical-batch"},
        "standard": {name: name for name in (*OURS, "merrill/branches")},
        "paper": dict.fromkeys(("kaplan/sizes", "reproduce-standard"), "kaplan/paper-grid"),
    },
)
