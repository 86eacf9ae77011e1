"""A table of runs whose law is known, as CSV."""

import numpy as np

from analysis.laws import simulate

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
COLUMNS = ["--columns", "N=N,D=D,loss=L"]


def write_table(path, seed=0, budgets=5, **columns):
    """An IsoFLOP grid; gives the path. Further columns are values, or functions of the table."""
    frame = simulate.isoflop(TRUTH, np.geomspace(1e11, 3e12, budgets), seed=seed, n_sizes=7)
    frame[["N", "D", "L"]].assign(**columns).to_csv(path, index=False)
    return path
