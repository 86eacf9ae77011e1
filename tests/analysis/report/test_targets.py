from typing import get_args

import pytest

from analysis.laws import simulate
from analysis.report import summary
from analysis.report.summary import analyse
from analysis.report.tables import aim_lines, aims
from analysis.report.targets import MEASURES, judge
from analysis.runs.selection import Runs
from sweeps.config import AimName

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}


@pytest.fixture(scope="module")
def analysis():
    """Four budgets a factor of 4 apart, .1 % of noise, no curves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "RANKED", summary.RANKED[:1])
        return analyse(Runs(simulate.isoflop(TRUTH, [1e11, 4e11, 1.6e12, 6.4e12], noise=1e-3)), resamples=50)


def test_every_aim_that_a_sweep_may_state_is_measured(analysis):
    assert set(get_args(AimName)) == set(MEASURES)
    named = dict.fromkeys(MEASURES, 0.0)
    assert {aim.name for aim in judge(analysis, named)} == set(MEASURES)


def test_what_is_reached_is_met_and_what_is_not_is_missed(analysis):
    reached = {"budgets": 4, "decades": 1.8, "forecast_gap": 4, "forecast_error": 0.01, "residual_ratio": 1.5}
    assert all(aim.met for aim in judge(analysis, {**reached, "offset": 0.5, "forecast_skill": 0.5}))
    beyond = {"budgets": 5, "decades": 2.3, "forecast_gap": 8, "forecast_error": 1e-6, "residual_ratio": 0.1}
    assert not any(aim.met for aim in judge(analysis, {**beyond, "offset": 1.2, "forecast_skill": 1.0}))


def test_each_approach_is_held_to_its_interval_and_one_without_misses(analysis):
    found = judge(analysis, {"half_width": 0.05, "difference": 0.07})
    halves = {aim.what[-1]: aim for aim in found if aim.name == "half_width"}
    assert halves["1"].measured is None
    assert not halves["1"].met
    low, high = analysis.approaches.approaches["2"].a.ci95
    assert halves["2"].measured == pytest.approx((high - low) / 2)
    (apart,) = (aim for aim in found if aim.name == "difference")
    assert apart.measured == pytest.approx(max(map(abs, analysis.approaches.differences["2-3"].ci95)))


def test_the_windows_of_the_mixture_are_judged(analysis):
    covered = analysis.holdout.coverage
    reached = {"windows_error": 0.01, "windows_missed": 1, "windows_skill_last": 0.8, "best_residual_ratio": 1.5}
    found = {
        aim.name: aim for aim in judge(analysis, {**reached, "windows_skill_power": 1.0, "offset_half_width": 0.5})
    }
    assert all(found[name].met for name in reached)
    assert found["windows_error"].measured == covered.mixture_error
    assert found["windows_missed"].measured == covered.mixture_windows.windows - covered.mixture_windows.held
    naive = analysis.ranking.windows.error_power_law.iloc[-covered.mixture_windows.windows :].mean()
    assert found["windows_skill_power"].measured == pytest.approx(1 - covered.mixture_error / naive)
    assert not found["windows_skill_power"].met
    low, high = analysis.third.profile.ci95
    assert found["offset_half_width"].measured == pytest.approx((high - low) / 2)


def test_one_approach_alone_may_be_held_to_its_interval(analysis):
    (second,) = judge(analysis, {"half_width_2": 0.05})
    low, high = analysis.approaches.approaches["2"].a.ci95
    assert second.measured == pytest.approx((high - low) / 2)


def test_words(analysis):
    found = judge(analysis, {"budgets": 5, "decades": 1.5})
    assert aims(found).rows[0] == ("budgets with a bracketed minimum", "at least 5", "4", "missed")
    assert aim_lines(found) == [
        "1 of 2 aims of the sweep are met, missed:",
        "  budgets with a bracketed minimum: 4, wanted at least 5",
    ]
    assert aim_lines([]) == []
