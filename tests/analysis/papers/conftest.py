"""Runs of a known L(N, S_min) and B_crit(L): six sizes at three lengths of one batch, two sizes at seven batches."""

import functools

import numpy as np
import pandas as pd
import pytest

from analysis.papers.kaplan2020.evidence import Evidence
from analysis.runs.selection import Runs
from tests.analysis.kaplan_truth import BATCHES, loss_at

SIZES = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5)
LENGTHS = (2e6, 3e7, 5e8)


@functools.cache
def a_run(n_params, batch, n_tokens):
    steps = np.geomspace(8, n_tokens / batch, 40)
    return steps * batch, np.array([loss_at(n_params, batch, step) for step in steps])


def evidence_of(cells):
    """Evidence of runs of (N, B, D), one seed and one rate each."""
    curves = {i: a_run(*cell) for i, cell in enumerate(cells)}
    rows = [
        {"run": f"run{i}", "N": n, "batch_tokens": b, "D": d, "C": 6 * n * d, "L": curves[i][1][-1], "lr": 0.004}
        for i, (n, b, d) in enumerate(cells)
    ]
    return Evidence(Runs(pd.DataFrame(rows).assign(seed=0, source=0), count="non_embedding"), curves)


@pytest.fixture(scope="session")
def of_one_batch():
    return evidence_of([(n, 2048, d) for n in SIZES for d in LENGTHS])


@pytest.fixture(scope="session")
def complete():
    several = [(n, b, 3e7) for n in (3e3, 1e5) for b in BATCHES if b != 2048]
    return evidence_of([(n, 2048, d) for n in SIZES for d in LENGTHS] + several)
