import numpy as np
import pytest

from analysis.design.target import target_named
from analysis.laws.chinchilla import chinchilla
from scaling_harness.errors import UserError


def test_targets_are_those_of_the_closed_form(truth):
    assert target_named("a").of(chinchilla, truth) == pytest.approx(truth["beta"] / (truth["alpha"] + truth["beta"]))
    best = target_named("N_opt@1e15").of(chinchilla, truth)
    assert np.exp(best) == pytest.approx(float(chinchilla.optimal(truth, 1e15).n_params))


@pytest.mark.parametrize("text", ["b", "a@1e15", "N_opt", "N_opt@", "N_opt@-1", "N_opt@inf", "L@1e15"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(UserError, match="is no target: give a"):
        target_named(text)
