import pytest

from analysis.forecasting.fixed_ratio import plan_by_ratio
from scaling_harness.errors import UserError


def test_the_planner_of_twenty_tokens_per_parameter():
    """C 1e22, k 6, eta 20; four times the compute doubles both."""
    plan = plan_by_ratio(1e22, 20, 6)
    assert plan.n_params == pytest.approx(9.128709e9, rel=1e-6)
    assert plan.n_tokens == pytest.approx(1.825742e11, rel=1e-6)
    assert 6 * plan.n_params * plan.n_tokens == pytest.approx(1e22)
    larger = plan_by_ratio(4e22, 20, 6)
    assert (larger.n_params, larger.n_tokens) == pytest.approx((2 * plan.n_params, 2 * plan.n_tokens))


@pytest.mark.parametrize("given", [(0, 20, 6), (1e22, -1, 6), (1e22, 20, float("inf"))])
def test_what_is_no_positive_number_is_refused(given):
    with pytest.raises(UserError, match="give a positive number"):
        plan_by_ratio(*given)
