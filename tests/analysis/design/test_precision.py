import numpy as np
import pytest

from analysis.design.precision import Outlook
from analysis.design.target import Target
from analysis.fitting.goodness_of_fit import law_point
from analysis.laws.chinchilla import chinchilla


@pytest.mark.parametrize("target", [Target(), Target(1e15)], ids=str)
def test_the_interval_is_that_of_refits(known, target):
    seeds = known.cells["n_seeds"].to_numpy(float)
    expected = Outlook.of(known, target, known.cells).expected(seeds)
    point = law_point(chinchilla, known.cells)
    sd = np.sqrt(known.noise**2 / seeds + known.scatter**2)
    drawn = point.log_loss - point.residuals + sd * np.random.default_rng(0).standard_normal((400, len(seeds)))
    values = target.of(chinchilla, point.model.to_natural(point.refit(log_loss=drawn).z_KP))
    assert expected.half_width == pytest.approx(1.96 * values.std(), rel=0.15)


def test_the_error_of_form_is_that_of_a_refit_without_noise(known):
    outlook, seeds = Outlook.of(known, Target(), known.cells), known.cells["n_seeds"].to_numpy(float)
    errors = outlook.expected(seeds).form_errors
    for truth in known.truths:
        fitted = law_point(chinchilla, known.cells.assign(L=np.exp(truth.log_loss(known.cells))))
        exact = Target().of(chinchilla, fitted.params) - Target().of(truth.point.law, truth.point.params)
        assert errors[truth.point.law.name] == pytest.approx(float(exact), abs=0.01)


def test_seeds_do_not_average_out_a_scatter_that_they_share(known):
    seeds = known.cells["n_seeds"].to_numpy(float)
    outlook = Outlook.of(known, Target(), known.cells)
    shared = Outlook(**{**vars(outlook), "noise": 1e-6, "scatter": 0.01})
    own = Outlook(**{**vars(outlook), "noise": 0.01, "scatter": 0.0})
    more = [each.expected(4 * seeds).half_width / each.expected(seeds).half_width for each in (shared, own)]
    assert more == pytest.approx([1.0, 0.5], abs=1e-3)


def test_a_grid_of_one_size_tells_nothing(known):
    outlook = Outlook.of(known, Target(), known.cells)
    one = (np.arange(len(known.cells)) == 3).astype(float)
    whole, poor = outlook.totals(np.array([np.ones(len(one)), one]))
    assert poor > 10 * whole
