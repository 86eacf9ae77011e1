import itertools
import math

import pytest

from scaling_harness.plan.lr_schedule import lr_multiplier


def test_warmup_is_linear_and_reaches_the_peak_on_its_last_step():
    factors = [lr_multiplier(step, 100, 10, 10, "cosine", 0.1) for step in range(11)]
    assert factors[:10] == [(i + 1) / 10 for i in range(10)]
    assert factors[10] == 1.0


def test_cosine_halves_its_range_midway_and_ends_at_the_final_fraction():
    assert lr_multiplier(55, 100, 10, 10, "cosine", 0.1) == pytest.approx(0.55)
    assert lr_multiplier(100, 100, 10, 10, "cosine", 0.1) == pytest.approx(0.1)


def test_a_run_that_ends_within_its_cosine_has_the_rates_of_the_longer_one(make_plan):
    """Its identity names the cycle; at 1 it is that of earlier versions."""
    warm_up = ("schedule.warmup.unit=steps", "schedule.warmup.amount=3", "optim.lr=0.004")
    lengths = (("budget.n_tokens=6400", 1), ("budget.n_tokens=3200", 2), ("budget.n_tokens=3200", 1))
    longer, run, plain = (make_plan(*warm_up, budget, f"schedule.cycle={cycle}") for budget, cycle in lengths)
    assert [run.lr_at(step) for step in range(run.n_steps)] == [longer.lr_at(step) for step in range(run.n_steps)]
    assert run.science["schedule"]["cycle"] == 2.0
    assert "cycle" not in plain.science["schedule"]
    assert run.fingerprint != plain.fingerprint


@pytest.mark.parametrize(("shape", "midway"), [("linear", 0.5), ("one_minus_sqrt", 1 - math.sqrt(0.5))])
def test_wsd_is_flat_then_decays(shape, midway):
    factors = [lr_multiplier(step, 100, 10, 80, shape, 0.0) for step in range(101)]
    assert factors[10:81] == [1.0] * 71
    assert factors[90] == pytest.approx(midway)
    assert factors[100] == 0.0
    assert all(later <= earlier for earlier, later in itertools.pairwise(factors[80:]))


def test_constant_stays():
    assert {lr_multiplier(step, 50, 0, 50, "constant", 1.0) for step in range(50)} == {1.0}


def test_a_falling_rate_is_a_power_of_the_tokens_until_the_decay():
    def factor(step, n_steps=400, start=320):
        return lr_multiplier(step, n_steps, 10, start, "linear", 0.0, 0.5)

    assert factor(9) == 1.0
    assert [factor(step) for step in (39, 89, 159, 319)] == pytest.approx([(10 / n) ** 0.5 for n in (40, 90, 160, 320)])
    assert factor(360) == pytest.approx((10 / 361) ** 0.5 / 2)
    assert [factor(step, 4000, 3200) for step in range(320)] == [factor(step) for step in range(320)]
