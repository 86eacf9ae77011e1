import dataclasses

import numpy as np
import pytest
from scipy import stats

from analysis.laws import simulate
from analysis.runs.replicates import design_cells
from analysis.validation.holdout import budget_bands
from analysis.validation.mixture import (
    FORMS,
    Mixture,
    cells_of,
    expanding_windows,
    forecast_window,
    form_weights,
    mixture_of,
    normal_mixture_ends,
)
from analysis.validation.predictive import StudentT

ASYMMETRIC = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.6, "beta": 0.2}


@pytest.fixture(scope="module")
def cells():
    frame = simulate.isoflop(ASYMMETRIC, np.geomspace(1e11, 3e13, 5), noise=0.002, seeds=2, n_sizes=7)
    groups = design_cells(frame)
    return cells_of([groups.iloc[rows] for rows in budget_bands(groups.C.to_numpy())])


@pytest.fixture(scope="module")
def windows(cells):
    return expanding_windows(cells)


def test_quantiles_are_those_of_draws():
    parts = StudentT(np.array([[0.0]]), np.array([[1.0]]), 5), StudentT(np.array([[4.0]]), np.array([[0.25]]), 50)
    mixture = Mixture(parts, np.array([[0.3, 0.7]]))
    rng = np.random.default_rng(0)
    first = rng.random(200_000) < 0.3
    draws = np.where(first, rng.standard_t(5, len(first)), 4 + 0.5 * rng.standard_t(50, len(first)))
    for p in (0.025, 0.2, 0.5, 0.975):
        assert mixture.quantile(p)[0, 0] == pytest.approx(np.quantile(draws, p), abs=0.03)
        assert mixture.cdf(mixture.quantile(p))[0, 0] == pytest.approx(p)


def test_the_interval_score_is_the_width_and_forty_times_what_lies_outside():
    normal = Mixture((StudentT(np.zeros((1, 3)), np.ones((1, 3)), 10**6),), np.ones((1, 1))).interval()
    score = normal.score(np.array([[0.0, 3.0, -2.5]]))[0]
    assert score == pytest.approx([3.92, 3.92 + 40 * 1.04, 3.92 + 40 * 0.54], rel=1e-3)
    assert normal.holds(np.array([[0.0, 3.0, -2.5]])).tolist() == [[True, False, False]]


def test_windows_fit_the_past_and_forecast_the_next_budget_and_its_mean(cells, windows):
    assert [window.n_kept for window in windows] == [2, 3, 4]
    last = windows[-1]
    assert last.log_gap_q == pytest.approx(np.log(300) / 4, rel=1e-6)
    assert last.observed_Kq[0, -1] == pytest.approx(last.observed_Kq[0, :-1].mean())
    altered = dataclasses.replace(cells, log_loss_Kn=cells.log_loss_Kn.copy())
    altered.log_loss_Kn[:, altered.bands[-1]] += 0.3
    again = forecast_window(altered, FORMS, 4)
    for name, component in again.components.items():
        assert (component.location_Kq == last.components[name].location_Kq).all()


def test_weights_are_equal_before_evidence_and_favour_the_form_that_forecasts(windows):
    names = [law.name for law in FORMS]
    assert form_weights([], names, 1, 0.012)[0] == pytest.approx(1 / 3)
    chinchillas, ties, skalings = form_weights(windows, names, 1, 0.0)[0]
    assert chinchillas > 2 * ties
    assert chinchillas + ties + skalings == pytest.approx(1)
    softened = form_weights(windows, names, 1, 0.05)[0]
    assert np.ptp(softened) < np.ptp([chinchillas, ties, skalings])


def test_a_window_counts_once_however_many_cells_it_has(windows):
    window = windows[-1]
    twice = dataclasses.replace(
        window,
        components={
            name: StudentT(
                np.repeat(c.location_Kq, 2, axis=1)[:, :-1], np.repeat(c.square_Kq, 2, axis=1)[:, :-1], c.dof
            )
            for name, c in window.components.items()
        },
        log_gap_q=np.repeat(window.log_gap_q, 2)[:-1],
        observed_Kq=np.repeat(window.observed_Kq, 2, axis=1)[:, :-1],
    )
    assert twice.log_score("chinchilla", 0.01) == pytest.approx(window.log_score("chinchilla", 0.01))


def test_the_discrepancy_grows_with_the_distance_and_is_shared_by_a_budget(cells):
    near, far = forecast_window(cells, FORMS, 3), forecast_window(cells, FORMS, 3, n_out=2)
    wide, plain = (mixture_of(far, [], FORMS, tau).interval().width[0] for tau in (0.03, 0.0))
    added = wide**2 - plain**2
    last = added[len(near.rows)]
    assert last / added[0] == pytest.approx(4, rel=0.25)
    of_mean = mixture_of(near, [], FORMS, 0.03).interval().width[0, -1]
    assert of_mean > 2 * 1.96 * 0.03 * near.log_gap_q[-1]


def test_a_form_that_cannot_be_fitted_leaves_the_others(cells):
    short = cells_of([cells.frame.iloc[rows[:4]] for rows in cells.bands])
    window = forecast_window(short, FORMS, 2)
    assert set(window.components) == {"chinchilla", "tied"}
    assert "9 are needed" in window.reasons["skaling"]
    later = forecast_window(short, FORMS, 3)
    assert mixture_of(later, [window], FORMS, 0.012).names == ("chinchilla", "tied", "skaling")
    assert mixture_of(later, [window], FORMS, 0.012).weights_KF[0] == pytest.approx(1 / 3)


def test_draws_with_a_normal_error_have_the_interval_of_their_sum():
    draws = np.random.default_rng(1).normal(0.0, 0.3, 20_000)
    low, high = normal_mixture_ends(draws, 0.4)
    assert (low, high) == pytest.approx(stats.norm(0, 0.5).interval(0.95), abs=0.02)


def test_losses_without_noise_are_forecast_without_width():
    frame = simulate.isoflop(ASYMMETRIC, np.geomspace(1e11, 3e13, 5), noise=0.0, seeds=1, n_sizes=7)
    groups = design_cells(frame)
    exact = cells_of([groups.iloc[rows] for rows in budget_bands(groups.C.to_numpy())])
    windows = expanding_windows(exact)
    interval = mixture_of(windows[-1], windows[:-1], FORMS, tau=0.0).interval()
    assert interval.median == pytest.approx(windows[-1].observed_Kq, abs=1e-6)
    assert np.all(interval.width < 1e-5)
