import numpy as np
import pandas as pd
import pytest

from analysis.design.runs_so_far import runs_so_far
from analysis.runs.replicates import design_cells


@pytest.fixture
def known(isoflop):
    """What five budgets of nine sizes and three seeds tell."""
    return runs_so_far(design_cells(isoflop))


@pytest.fixture
def any_size():
    """Models of every size."""
    return lambda wanted: pd.DataFrame({"N": np.asarray(wanted)})
