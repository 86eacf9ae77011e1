"""Figure 8 from runs of known truth."""

import numpy as np
import pandas as pd
import pytest

from analysis.papers.draw import drawn
from analysis.papers.figure import LackingRunsError
from analysis.papers.kaplan2020 import kaplan2020
from analysis.papers.kaplan2020.evidence import Evidence
from analysis.runs.selection import Runs

(FIGURE,) = kaplan2020.figures_named(["8"])


def evidence_of(texts):
    """Losses on another text are a power of the own loss; shorter runs of the largest size lie on the same curve."""
    cells = [(n, 8e5, 6 * n**-0.1) for n in (6e3, 2e4, 6e4, 1e5)] + [
        (1e5, d, 2.2 * (8e5 / d) ** 0.1) for d in (1e5, 4e5)
    ]
    rows = [
        {"N": n, "D": d, "L": loss, "n_layer": 2, "d_model": round(n**0.5)}
        | {f"loss_nats_{name}": 2 * loss**power for name, power in texts.items()}
        for n, d, loss in cells
        for _ in range(2)
    ]
    frame = pd.DataFrame(rows).assign(source=0, vocab_size=256, loss_nats_test=1.0, loss_nats_valid=1.0)
    return Evidence(Runs(frame, count="non_embedding"), {})


def test_the_power_of_each_text_and_its_correlation_are_those_of_the_truth():
    table = FIGURE.table(evidence_of({"manual": 1.0, "code": 0.5}))
    said = FIGURE.found(table)
    assert "manual: power 1.00 of the own loss, r = 1.000, shorter runs 0.0% off it" in said
    assert "code: power 0.50 of the own loss" in said
    size = table.loc[(table["panel"] == "size") & (table["series"] == "code")].sort_values("x")
    assert np.polyfit(np.log(size["x"]), np.log(size["y"]), 1)[0] == pytest.approx(-0.05)
    panels = [ax for ax in drawn(FIGURE, table).axes if ax.get_xlabel()]
    assert {text.get_text() for ax in panels for text in ax.get_legend().get_texts()} == set(table["series"])


def test_runs_of_one_text_alone_are_told_what_lacks():
    with pytest.raises(LackingRunsError, match=r"on another text \(evaluation.extra_sets\); it needs .*distributions"):
        FIGURE.table(evidence_of({}))
