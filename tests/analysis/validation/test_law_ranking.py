import json
from itertools import pairwise

import numpy as np
import pytest

from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla, skaling, tied
from analysis.laws.kaplan import kaplan_lc, kaplan_ln_s
from analysis.laws.registry import LAWS
from analysis.runs.replicates import design_cells
from analysis.to_json import to_json
from analysis.validation.holdout import budget_bands, forecast_bands, hold_out_budgets
from analysis.validation.law_ranking import rank_laws
from scaling_harness.errors import HarnessError

TRUTH = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.5, "beta": 0.25}


@pytest.fixture(scope="module")
def cells():
    return design_cells(simulate.isoflop(TRUTH, np.geomspace(1e11, 3e13, 6), noise=0.002, seeds=2))


@pytest.fixture(scope="module")
def ranking(cells):
    return rank_laws(cells, (kaplan_lc, chinchilla, tied, kaplan_ln_s))


def test_the_law_the_data_are_from_forecasts_best(ranking):
    assert list(ranking.table.law) == ["chinchilla", "tied", "kaplan_lc"]
    best = ranking.table.iloc[0]
    assert best.windows == 4
    assert best.skill > 0.5
    assert best.residual_ratio == pytest.approx(1, abs=0.3)
    assert best.lack_of_fit_p > 0.01
    assert ranking.table.lack_of_fit_p.iloc[-1] < 1e-6
    assert ranking.table.skill.is_monotonic_decreasing
    json.dumps(to_json(ranking), allow_nan=False)


def test_windows_expand_and_the_last_is_the_plain_holdout(ranking, cells):
    mine = ranking.windows[ranking.windows.law == "chinchilla"]
    assert list(mine.n_fit) == [18, 27, 36, 45]
    assert mine.budget.is_monotonic_increasing
    held = hold_out_budgets(cells)
    assert mine.mean_abs_rel_error.iloc[-1] == pytest.approx(held.mean_abs_rel_error, rel=1e-6)


def test_windows_of_two_budgets_ahead_leave_out_the_one_between(cells, ranking):
    far = rank_laws(cells, (chinchilla,), ahead=2).windows
    near = ranking.windows[ranking.windows.law == "chinchilla"]
    assert list(far.n_fit) == [18, 27, 36]
    assert list(far.budget) == list(near.budget)[1:]
    assert far.gap.to_numpy() == pytest.approx(near.gap.to_numpy()[1:] ** 2, rel=0.01)
    assert (far.error_last_budget.to_numpy() > 1.5 * near.error_last_budget.to_numpy()[1:]).all()


def test_laws_these_runs_do_not_allow_are_excluded_with_the_reason(ranking):
    (row,) = ranking.excluded
    assert row["what"] == "kaplan_ln_s"
    assert "needs S" in row["reason"]


def test_windows_too_small_for_one_law_count_for_none(truth):
    frame = simulate.isoflop(truth, np.geomspace(1e11, 3e12, 5), noise=0.002, seeds=1, n_sizes=3)
    short = frame.groupby("C").head(2)
    few = rank_laws(design_cells(short), (skaling, kaplan_lc))
    assert set(few.table.windows) == {2}
    assert few.table.lack_of_fit_p.isna().all()
    assert few.excluded[0]["what"] == "window 2 budgets, skaling"


def test_too_few_budgets_or_no_law_are_refused(noise_free, cells):
    with pytest.raises(HarnessError, match="2 budgets cannot spare one"):
        rank_laws(design_cells(noise_free[noise_free.C < 3e11]))
    with pytest.raises(HarnessError, match="no law can be fitted"):
        rank_laws(cells, (kaplan_ln_s,))


def test_runs_that_do_not_come_in_budgets_are_cut_into_bands_of_compute():
    C = np.exp(np.sort(np.random.default_rng(0).uniform(np.log(1e18), np.log(1e21), 300)))
    bands = budget_bands(C)
    assert len(bands) == 5  # 3 decades in factors of about 4
    assert sorted(np.concatenate(bands).tolist()) == list(range(300))
    assert all(C[a].max() < C[b].min() for a, b in pairwise(bands))
    assert len(budget_bands(np.repeat(np.geomspace(1e11, 3e12, 5), 9))) == 5


def test_hoffmanns_runs_can_be_forecast_too(hoffmann240):
    cells = design_cells(hoffmann240)
    held = forecast_bands([cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())], chinchilla)
    assert held.n_fit + held.n_held_out == 240
    assert 0 < held.mean_abs_rel_error < 0.02
    assert held.skill > 0


def test_every_law_of_the_registry_is_ranked_or_excluded(cells):
    found = rank_laws(cells[cells.C < 2e12])
    named = set(found.table.law) | {row["what"] for row in found.excluded}
    assert set(LAWS) <= named
