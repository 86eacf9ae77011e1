"""The ladder as declared, with losses of a known law."""

import numpy as np
import pandas as pd

from analysis.laws.chinchilla import chinchilla
from analysis.papers.pearce2024.measured import Ladder
from analysis.runs.selection import Runs

TRUTH = {"E": 1.4, "A": 60.0, "B": 115.0, "alpha": 0.36, "beta": 0.36}
GRID = {
    1.25e10: ((8, 12, 16, 20, 24, 28), 4),
    2.5e10: ((8, 12, 16, 20, 24, 28, 32), 3),
    5e10: ((8, 12, 16, 20, 24, 28, 32, 40), 2),
    1e11: ((12, 16, 20, 24, 28, 32, 40, 48), 2),
    2e11: ((16, 20, 24, 28, 32, 40, 48, 56), 1),
    4e11: ((20, 24, 32, 40, 48, 56, 64), 1),
    8e11: ((24, 32, 40, 48, 64), 1),
}
VOCABULARY = 1024


def ladder(noise, seed=0):
    """Two layers, a vocabulary of 1,024, noise in ln L."""
    cells = [(C, d, s) for C, (widths, n_seeds) in GRID.items() for d in widths for s in range(n_seeds)]
    C, d, seeds = (np.array(column, float) for column in zip(*cells, strict=True))
    N = 24 * d**2 + VOCABULARY * d
    D = C / (6 * N)
    loss = chinchilla.predict(TRUTH, N=N, D=D) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(C)))
    counts = {"non_embedding": 24 * d**2, "with_head": N, "total": N + VOCABULARY * d}
    frame = pd.DataFrame({"run": [f"run{i}" for i in range(len(C))], "N": N, "D": D, "C": C, "L": loss, "seed": seeds})
    return Ladder(Runs(frame.assign(**{f"n_params_{name}": n for name, n in counts.items()}), count="with_head"))
