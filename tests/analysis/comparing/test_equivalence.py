"""Two one-sided tests: their size and power, and what they say of curves of known exponents."""

import numpy as np
import pandas as pd
import pytest

from analysis.comparing.equivalence import Group, equivalence_power, reducible_exponents, verdict
from scaling_harness.errors import HarnessError, UserError

D = np.geomspace(8e3, 5e5, 7)


def runs(coefficient, beta, rng, E=1.0, noise=0.003):
    return pd.DataFrame({"D": D, "L": (E + coefficient * D**-beta) * np.exp(noise * rng.standard_normal(len(D)))})


def rate(difference, noise, n=60):
    """Share of simulated pairs of curves found equal; standard error and freedom of their difference."""
    equal, errors = 0, []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        groups = {"a": Group(runs(30, 0.3, rng, noise=noise), "t", 1.0)}
        groups["b"] = Group(runs(30, 0.3 - difference, rng, noise=noise), "t", 1.0)
        (each,) = reducible_exponents(groups).differences()
        equal += each.equal
        errors.append(each.stderr)
    return equal / n, float(np.sqrt(np.mean(np.square(errors)))), each.dof


def test_the_size_is_five_per_cent_at_the_margin_and_the_power_is_the_one_stated():
    at_margin, stderr, dof = rate(0.02, 0.007)
    assert equivalence_power(stderr, dof, difference=0.02) <= 0.05
    assert at_margin <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    at_zero, stderr, dof = rate(0.0, 0.007)
    assert at_zero == pytest.approx(equivalence_power(stderr, dof), abs=0.19)  # 3 standard errors
    assert 0.3 < at_zero < 0.95


def test_the_closed_form_has_its_limits():
    assert equivalence_power(1e-4, 20) == pytest.approx(1.0)
    assert equivalence_power(0.1, 20) == 0.0
    assert equivalence_power(0.004, 200, difference=0.02) == pytest.approx(0.05, abs=0.002)


def test_equal_different_and_not_known():
    rng = np.random.default_rng(0)
    groups = {"a": Group(runs(30, 0.3, rng), "text"), "b": Group(runs(45, 0.3, rng), "text")}
    groups["c"] = Group(runs(60, 0.4, rng), "text")
    found = reducible_exponents(groups)
    assert found.limits["text"] == pytest.approx(1.0, abs=0.03)
    assert found.exponents["c"].value == pytest.approx(0.4, abs=0.02)
    differences = found.differences()
    assert [each.verdict for each in differences] == ["equal", "different", "different"]
    assert verdict(differences) == "of 3 pairs 1 are equal within 0.02, 2 different by more than it"
    noisy = {name: Group(runs(30, 0.3, rng, noise=0.05), name, None) for name in "ab"}
    (unknown,) = reducible_exponents(noisy).differences()
    assert unknown.verdict == "not known"
    assert "1 not known: equal ones would be found equal with a probability of" in verdict([unknown])


def test_an_irreducible_loss_that_runs_to_zero_is_named():
    frame = pd.DataFrame({"D": D, "L": 30 * D**-0.3 * np.exp(0.3 * np.log(D / D.mean()) ** 2 * -0.05)})
    found = reducible_exponents({"a": Group(frame, "text")})
    assert found.at_zero == ("text",)
    assert np.isfinite(found.exponents["a"].stderr)


def test_too_few_runs_and_impossible_ones_are_sentences():
    rng = np.random.default_rng(0)
    with pytest.raises(HarnessError, match="a has 2 data sizes: an exponent needs 3"):
        reducible_exponents({"a": Group(runs(30, 0.3, rng).iloc[:2], "t")})
    with pytest.raises(HarnessError, match="3 losses are too few for 3 parameters"):
        reducible_exponents({"a": Group(runs(30, 0.3, rng).iloc[:3], "t")})
    with pytest.raises(HarnessError, match="a loss below its known limit of 2 nats"):
        reducible_exponents({"a": Group(runs(30, 0.3, rng), "t", 2.0)})
    groups = {name: Group(runs(30, 0.3, rng), "t", 1.0) for name in "ab"}
    with pytest.raises(UserError, match="the margin of an equivalence test is 0"):
        reducible_exponents(groups).differences(0)
