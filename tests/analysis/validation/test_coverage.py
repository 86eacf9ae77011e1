import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import analysis.validation
from analysis.bench.other_forms import OTHER_FORMS, cells_of_form
from analysis.laws.chinchilla import chinchilla
from analysis.laws.kaplan import kaplan_lc_offset
from analysis.runs.load import load_runs
from analysis.runs.replicates import design_cells
from analysis.to_json import to_json
from analysis.validation.coverage import cover, coverage_sentence, held_share, judge_alone, judge_mixture
from analysis.validation.holdout import budget_bands, forecast_sentence, hold_out_budgets
from analysis.validation.mixture import FORMS, cells_of, expanding_windows
from scaling_harness.errors import HarnessError

README = Path(analysis.validation.__file__).with_name("README.md")


def test_the_binomial_interval_is_the_exact_one():
    for held, windows in ((0, 5), (3, 5), (5, 5), (42, 45)):
        known = stats.binomtest(held, windows).proportion_ci(0.95, "exact")
        assert held_share(held, windows).ci95 == pytest.approx((known.low, known.high), abs=1e-6)
    assert str(held_share(3, 5)) == "3 of 5 windows (15% to 95%)"


def test_a_holdout_reports_coverage_beside_its_error(isoflop):
    held = hold_out_budgets(design_cells(isoflop))
    assert held.coverage
    assert held.coverage.mixture.n_cells == held.coverage.alone.n_cells == 9
    assert held.coverage.mixture_windows.windows == 3
    assert held.coverage.mixture.cell_width > held.coverage.alone.cell_width
    assert sum(held.coverage.mixture.weights.values()) == pytest.approx(1)
    inside = held.points.L.between(held.points.mixture_low, held.points.mixture_high)
    assert inside.sum() == held.coverage.mixture.cells_inside
    assert held.points.L.between(held.points.low, held.points.high).sum() == held.coverage.alone.cells_inside
    document = to_json(held)["coverage"]
    assert document["mixture_windows"]["held"] == held.coverage.mixture_windows.held
    assert document["alone"]["forecaster"] == "chinchilla"
    assert document["tau"] == 0.012
    json.dumps(document, allow_nan=False)
    assert "by chinchilla alone" in forecast_sentence(held)
    assert str(held.coverage.mixture_windows) in coverage_sentence(held.coverage)


def test_of_two_budgets_held_out_every_window_forecasts_two_ahead(isoflop):
    cells = design_cells(isoflop)
    bands = [cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())]
    far = cover(bands, chinchilla, 2)
    assert far.mixture_windows.windows == cover(bands, chinchilla).mixture_windows.windows - 1 == 2
    assert far.mixture.n_cells == len(bands[-1]) + len(bands[-2])
    last = cover([*bands[:-2], bands[-1]], chinchilla)
    first = cover([*bands[:-3], bands[-2]], chinchilla)
    each = [first.mixture.mean_abs_rel_error, last.mixture.mean_abs_rel_error]
    assert far.mixture_error == pytest.approx(np.mean(each), rel=1e-6)


def test_a_truth_of_another_form_falls_outside_one_law_and_inside_the_mixture(isoflop):
    bent = isoflop.assign(L=isoflop.L * np.exp(0.006 * np.maximum(np.log(isoflop.C / 4e11), 0.0) ** 2))
    coverage = hold_out_budgets(design_cells(bent)).coverage
    assert coverage.alone.cells_inside < coverage.mixture.cells_inside
    assert not coverage.alone.holds
    assert coverage.mixture.holds


def test_a_law_outside_the_mixture_is_judged_beside_it(isoflop):
    cells = design_cells(isoflop)
    coverage = cover([cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())], kaplan_lc_offset)
    assert coverage.alone.forecaster == "kaplan_lc_offset"
    assert set(coverage.mixture.weights) == {"chinchilla", "tied", "skaling"}


def test_too_few_cells_give_a_reason_and_no_interval(isoflop):
    few = design_cells(isoflop).groupby("C").head(3).query("C < 1e12")
    held = hold_out_budgets(few)
    assert held.coverage is None
    assert "too few to forecast" in forecast_sentence(held)
    assert "too few" in to_json(held)["coverage"]["reason"]


def test_a_window_is_judged_by_the_mean_of_its_cells():
    cells = cells_of_form(OTHER_FORMS["broken"], 20, np.random.default_rng(8))
    windows = expanding_windows(cells, (chinchilla,), 4)
    judged = judge_mixture(windows[-1], windows[:-1])
    assert judged.n_cells == 7
    assert judged.holds == (judged.score == judged.width)
    with pytest.raises(HarnessError, match="no form"):
        judge_mixture(expanding_windows(cells, (), 3)[0], [])


def test_the_standard_tier_fitted_up_to_3_15e11_as_the_readme_prints_it():
    cells = design_cells(load_runs("archive:reproduce-standard").frame)
    bands = [cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())]
    windows = expanding_windows(cells_of(bands[:5]))
    inside = {law.name: judge_alone(windows[-1], law.name).cells_inside for law in FORMS}
    assert inside == {"chinchilla": 2, "tied": 3, "skaling": 3}
    mixture = judge_mixture(windows[-1], windows[:-1])
    assert (mixture.cells_inside, mixture.holds) == (5, True)
    row = next(line for line in README.read_text().splitlines() if line.startswith("| to 3.15e11"))
    assert f"| 5 of 5, {mixture.cell_width:.1%} |".replace("%", " %") in row
    assert f"{100 * mixture.mean_abs_rel_error:.2f} %".lstrip("0") in row


def test_of_a_budget_of_many_cells_some_are_taken(noise_free, monkeypatch):
    monkeypatch.setattr("analysis.validation.mixture.MOST_CELLS", 7)
    held = hold_out_budgets(design_cells(noise_free.assign(L=noise_free.L * (1 + 1e-3 * np.cos(noise_free.D)))))
    assert held.coverage.mixture.n_cells == 7
    assert held.points.mixture.notna().sum() == 7
    assert held.n_held_out == 9
