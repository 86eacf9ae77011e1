import dataclasses
import re

import pytest

from analysis.fitting.result import UNUSABLE
from analysis.forecasting.forecast import forecast
from analysis.forecasting.mixture_forecast import forecast_mixture
from analysis.forecasting.source import from_fit
from analysis.report.answer import answer
from analysis.report.targets import Aim, judge
from analysis.validation.coverage import MIXTURE

MET = Aim("half_width", "half-width of a, approach 1", "at most 0.5", 0.1, True)


@pytest.fixture
def analysis(simulated_analysis):
    return simulated_analysis


def held_out(analysis, **changes):
    return dataclasses.replace(analysis, holdout=dataclasses.replace(analysis.holdout, **changes))


def third_with(analysis, **changes):
    return dataclasses.replace(analysis, third=dataclasses.replace(analysis.third, **changes))


def test_ten_times_the_compute_is_what_the_law_forecasts(analysis):
    said = answer(analysis, (), "byte")
    law = analysis.third.fit
    largest = analysis.approaches.cells.C.max()
    assert (said.law, said.largest_flops) == ("chinchilla", largest)
    expected = forecast(from_fit(law), train_flops=10 * largest).quantities
    assert said.ten_times.loss_nats == expected["loss_nats"]
    assert said.ten_times.n_params == expected["n_params"]
    by_hand = law.derived["G"].value * (10 * largest / 6) ** law.derived["a"].value
    assert said.ten_times.n_params.value == pytest.approx(by_hand)
    assert said.ten_times.epochs == pytest.approx(said.ten_times.n_tokens.value / 1e9)


def test_one_verdict_on_the_approaches_accounts_for_the_aims(analysis):
    assert analysis.approaches.agree
    assert answer(analysis, (MET,), "byte").agreement.verdict == "yes"
    aims = judge(analysis, {"half_width": 1e-4, "decades": 99.0})
    said = answer(analysis, aims, "byte").agreement
    assert (said.verdict, said.good) == ("not shown", None)
    assert "3 of the sweep's 3 aims for this are missed" in said.sentence
    differ = dataclasses.replace(analysis.approaches.differences["2-3"], value=0.5, ci95=(0.4, 0.6))
    apart = dataclasses.replace(analysis.approaches, differences={"2-3": differ})
    said = answer(dataclasses.replace(analysis, approaches=apart), (), "byte").agreement
    assert (said.verdict, said.good) == ("no", False)
    assert "2-3 by +0.500" in said.sentence
    alone = dataclasses.replace(analysis.approaches, differences={})
    assert answer(dataclasses.replace(analysis, approaches=alone), (), "byte").agreement.verdict == "not known"


def test_a_forecast_can_be_bad_news(analysis):
    held = analysis.holdout
    said = answer(analysis, (), "byte").forecast
    assert f"{held.mean_abs_rel_error:.2%}" in said.sentence
    assert said.verdict == ("well" if held.coverage.alone.holds else "in part")
    worse = answer(held_out(analysis, error_power_law=held.mean_abs_rel_error / 2), (), "byte")
    assert (worse.forecast.verdict, worse.forecast.good) == ("badly", False)
    assert worse.trusted_flops == worse.largest_flops
    aims = judge(analysis, {"forecast_error": 1e-6, "forecast_gap": 1.0})
    part = answer(analysis, aims, "byte").forecast
    assert part.verdict == "in part"
    assert "1 of the sweep's 2 aims for this are missed" in part.sentence
    untested = answer(dataclasses.replace(analysis, holdout=None, holdout_reason="too few budgets"), (), "byte")
    assert (untested.forecast.verdict, untested.trusted_flops) == ("not tested", untested.largest_flops)
    assert "too few budgets" in untested.forecast.sentence


def test_the_law_is_trusted_as_far_as_its_forecast_was_right(analysis):
    said = answer(analysis, (), "byte")
    assert said.trusted_flops == pytest.approx(said.largest_flops * analysis.holdout.gap)
    assert "Ten times is beyond it" in said.trust.sentence
    missed = dataclasses.replace(analysis.holdout.coverage.mixture, holds=False)
    coverage = dataclasses.replace(analysis.holdout.coverage, mixture=missed)
    assert answer(held_out(analysis, coverage=coverage), (), "byte").trusted_flops == said.largest_flops
    stuck = third_with(analysis, fit=dataclasses.replace(analysis.third.fit, warnings=(UNUSABLE,)))
    nothing = answer(stuck, (), "byte")
    assert (nothing.trusted_flops, nothing.trust.verdict) == (None, "not at all")
    misfit = third_with(analysis, quality=dataclasses.replace(analysis.third.quality, ratio=3.0))
    assert "3.00 times the noise of seeds" in answer(misfit, (), "byte").trust.sentence


def test_the_next_budget_has_a_price(analysis):
    said = answer(analysis, (), "byte").next_budget
    assert said.n_sizes == 9
    assert said.smallest_n_params < said.best.n_params.value < said.largest_n_params
    assert said.train_flops == pytest.approx(9 * said.best.train_flops)
    frame = analysis.runs.frame
    last = frame[0.9 * frame.C.max() < frame.C]
    assert said.process_hours == pytest.approx(said.train_flops * 2.0 * len(last) / last.C.sum() / 3600)
    assert re.search(r"Train 9 sizes .* about .* hours of one process", answer(analysis, (), "byte").next_steps[-1])


def test_what_is_missing_comes_before_the_next_budget(analysis):
    unseeded = third_with(analysis, quality=dataclasses.replace(analysis.third.quality, ratio=None))
    steps = answer(unseeded, (), "byte", missing=3).next_steps
    assert steps[0] == "Finish this sweep: 3 of its runs are missing."
    assert "second seed" in steps[1]
    edge = dataclasses.replace(analysis.approaches.slices[0], problem="minimum at the edge")
    approaches = dataclasses.replace(analysis.approaches, slices=(edge,))
    steps = answer(dataclasses.replace(analysis, approaches=approaches), (), "byte").next_steps
    assert steps[0].endswith("minimum at the edge.")


def test_tokens_that_there_are_not_are_said(analysis):
    scarce = analysis.runs.frame.assign(epochs=analysis.runs.frame.n_tokens / 1e6)
    few = dataclasses.replace(analysis, runs=dataclasses.replace(analysis.runs, frame=scarce))
    assert "epochs of the bytes there are" in answer(few, (), "byte").next_steps[-1]
    unknown = dataclasses.replace(analysis, runs=dataclasses.replace(few.runs, frame=scarce.drop(columns="epochs")))
    assert answer(unknown, (), "byte").ten_times.epochs is None
    endless = dataclasses.replace(few.runs, frame=scarce.assign(epochs=1.0))
    assert answer(dataclasses.replace(analysis, runs=endless), (), "byte").ten_times.epochs is None


def test_a_sweep_that_declares_the_mixture_is_answered_by_it(analysis):
    mixed = dataclasses.replace(analysis, forecaster=MIXTURE)
    said = answer(mixed, (), "byte")
    assert (said.law, said.forecaster) == ("chinchilla", MIXTURE)
    expected = forecast_mixture(analysis.runs, train_flops=10 * said.largest_flops).quantities
    assert said.ten_times.loss_nats == expected["loss_nats"]
    covered = analysis.holdout.coverage.mixture
    assert f"the mixture is off by {covered.mean_abs_rel_error:.2%}" in said.forecast.sentence
    assert "The mixture says that the lowest loss is" in said.next_steps[-1]


def test_aims_of_one_approach_or_of_windows_count_too(analysis):
    aims = judge(analysis, {"half_width_2": 1e-4, "offset_half_width": 1e-9, "windows_error": 1e-9})
    said = answer(analysis, aims, "byte")
    assert "1 of the sweep's 1 aims for this are missed" in said.agreement.sentence
    assert "1 of the sweep's 1 aims for this are missed" in said.forecast.sentence
