import numpy as np
import pytest

from analysis.fitting.goodness_of_fit import law_point
from analysis.fitting.objective import Objective
from analysis.fitting.variable_projection import fit_by_projection
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla

TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


def test_the_truth_is_found_without_noise():
    runs = simulate.isoflop(TRUTH, np.geomspace(1e17, 1e21, 5), noise=0.0, seeds=1)
    assert fit_by_projection(runs["N"], runs["D"], runs["L"]) == pytest.approx(TRUTH, rel=1e-6)


def test_it_is_the_minimum_of_newtons_method():
    runs = simulate.isoflop(TRUTH, np.geomspace(1e17, 1e21, 5), noise=0.003, seeds=1).assign(n_seeds=1)
    newton = law_point(chinchilla, runs, Objective("raw", np.inf))
    assert fit_by_projection(runs["N"], runs["D"], runs["L"]) == pytest.approx(newton.params, rel=1e-4)
