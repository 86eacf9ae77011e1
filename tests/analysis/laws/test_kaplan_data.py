import numpy as np
import pytest

from analysis.laws.kaplan import kaplan_ln_d, kaplan_ln_s
from analysis.laws.kaplan_compute import EQUATION_6_7, TABLE_6
from analysis.laws.kaplan_data import crossing, earliest_stop, overfitting, tokens_needed
from analysis.laws.published import PF_DAY, PUBLISHED

TABLE_2 = PUBLISHED["kaplan2020_ln_d"].params


def test_overfitting_is_the_law_over_its_limit():
    """Eq. 4.2 and 4.3 are one thing, and N and D matter through N^(alpha_N/alpha_D) / D alone."""
    n_params, n_tokens = np.array([1e6, 1e8, 1e9]), np.array([1e8, 1e10, 2e10])
    limit = kaplan_ln_d.predict(TABLE_2, N=n_params, D=1e30)
    expected = kaplan_ln_d.predict(TABLE_2, N=n_params, D=n_tokens) / limit - 1
    assert overfitting(TABLE_2, n_params, n_tokens) == pytest.approx(expected, rel=1e-6)
    assert overfitting(TABLE_2, 8e6, 8 ** (0.076 / 0.103) * 1e8) == pytest.approx(overfitting(TABLE_2, 1e6, 1e8))


def test_tokens_needed_invert_overfitting_and_are_those_of_the_paper():
    """Exactly 5.52e3 N^.738 at 2 %, in eq. 4.4 5e3 N^.74; 8 times the size needs about 5 times the data."""
    sizes = np.array([1e5, 1e7, 1e9])
    needed = tokens_needed(TABLE_2, sizes)
    assert overfitting(TABLE_2, sizes, needed) == pytest.approx(np.full(3, 0.02))
    assert needed == pytest.approx(5.52e3 * sizes ** (0.076 / 0.103), rel=2e-3)
    assert tokens_needed(TABLE_2, 8e6) / tokens_needed(TABLE_2, 1e6) == pytest.approx(4.66, abs=0.03)
    assert needed == pytest.approx(5e3 * sizes**0.74, rel=0.12)


def test_the_earliest_stop_is_the_steps_that_the_gap_allows():
    """Eq. 5.7 inverts the second term of L(N, S)."""
    params = PUBLISHED["kaplan2020_ln_s"].params
    at_1e4 = kaplan_ln_s.predict(params, N=1e8, S=1e4) - kaplan_ln_s.predict(params, N=1e8, S=1e30)
    assert earliest_stop(params, 3.0 + at_1e4, 3.0) == pytest.approx(1e4)
    assert earliest_stop(params, 3.0, 3.0) == np.inf


def crossed(factor, exponent):
    tokens = (factor / PF_DAY**exponent, exponent)
    return crossing(PUBLISHED["kaplan2020_lc_min"].params, PUBLISHED["kaplan2020_ld"].params, tokens)


def test_the_crossing_of_table_6_is_that_of_the_paper_and_eq_6_7_gives_another():
    """Section 6.3: about 1e4 PF-days, 1e12 parameters, 1e12 tokens, 1.7 nats; eq. 6.7 moves it ten times (T7)."""
    found = crossed(*TABLE_6["D"])
    factor, power = TABLE_6["N"]
    assert found.train_flops / PF_DAY == pytest.approx(1.1e4, rel=0.03)
    assert factor * (found.train_flops / PF_DAY) ** power == pytest.approx(1.2e12, rel=0.05)
    assert found.n_tokens == pytest.approx(2.5e11, rel=0.03)
    assert found.loss_nats == pytest.approx(1.67, abs=0.01)
    other = crossed(*EQUATION_6_7)
    assert [other.train_flops / PF_DAY, other.n_tokens] == pytest.approx([1.06e5, 8e11], rel=0.03)
    assert other.loss_nats == pytest.approx(1.49, abs=0.01)


def test_laws_that_never_cross_have_no_crossing_and_draws_broadcast():
    by_tokens = {"A": np.array([10.0, 10.0]), "alpha": np.array([0.1, 0.5])}
    found = crossing({"A": 20.0, "alpha": 0.05}, by_tokens, (0.3, 0.27))
    assert np.isfinite(found.train_flops).tolist() == [True, False]
    assert 10 * found.n_tokens[0] ** -0.1 == pytest.approx(found.loss_nats[0])
