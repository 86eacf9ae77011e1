"""Simulated truth, and the published tables where they are given."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import simulate

BUDGETS = tuple(np.geomspace(1e11, 3e12, 5))


@pytest.fixture
def truth():
    return {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}


@pytest.fixture
def isoflop(truth):
    """Five budgets, nine sizes, three seeds, noise 0.5 %."""
    return simulate.isoflop(truth, BUDGETS)


@pytest.fixture
def noise_free(truth):
    return simulate.isoflop(truth, BUDGETS, noise=0.0, seeds=1)


@pytest.fixture
def without_offset():
    """Losses that fall faster than any law with E > 0 allows."""
    params = {"E": 1e-12, "A": 45.0, "B": 160.0, "alpha": 0.2, "beta": 0.2}
    frame = simulate.isoflop(params, BUDGETS, noise=0.0, seeds=1)
    return frame.assign(L=frame.L**1.1)


@pytest.fixture(scope="session")
def published_dir():
    root = os.environ.get("SCALING_HARNESS_DATA")
    if not root or not (Path(root) / "published").is_dir():
        pytest.skip("SCALING_HARNESS_DATA does not name a directory with published/*.csv")
    return Path(root) / "published"


@pytest.fixture(scope="session")
def hoffmann240(published_dir):
    table = pd.read_csv(published_dir / "hoffmann_fig4_besiroglu.csv").nsmallest(240, "loss")
    frame = pd.DataFrame({"N": table["Model Size"], "C": table["Training FLOP"], "L": table["loss"]})
    return frame.assign(D=frame.C / (6 * frame.N))
