import numpy as np
import pytest

from analysis.frontier import approaches
from analysis.frontier.approaches import three_approaches
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla, skaling
from analysis.runs.load import load_runs
from analysis.runs.selection import Runs

TRUE_A = 0.35 / 0.73


def test_the_three_approaches_recover_a_simulated_truth(simulated_sweep):
    found = three_approaches(load_runs(simulated_sweep), resamples=300)
    for name, tolerance in {"1": 0.05, "2": 0.02, "3": 0.02}.items():
        each = found.approaches[name]
        assert each.a.value == pytest.approx(TRUE_A, abs=tolerance)
        assert each.a.ci95[0] < each.a.value < each.a.ci95[1]
        assert each.a.value + each.b.value == pytest.approx(1.0, abs=0.01)
    low, high = found.approaches["3"].a.ci95
    assert low < TRUE_A < high
    assert set(found.differences) == {"1-2", "1-3", "2-3"}


def test_points_lie_on_the_frontier(simulated_sweep):
    found = three_approaches(load_runs(simulated_sweep), resamples=50)
    for each in found.approaches.values():
        points = each.points
        np.testing.assert_allclose(6 * points.N_opt * points.D_opt, points.C, rtol=0.02)
        np.testing.assert_allclose(each.n_opt(points.C), points.N_opt, rtol=0.5)
        np.testing.assert_allclose(each.d_opt(points.C), points.D_opt, rtol=0.5)


def test_differences_are_paired(isoflop):
    found = three_approaches(Runs(isoflop), resamples=400)
    second, third = found.approaches["2"], found.approaches["3"]
    assert found.differences["2-3"].stderr == pytest.approx((second.a_draws - third.a_draws).std(ddof=1))
    assert np.corrcoef(second.a_draws, third.a_draws)[0, 1] > 0.3


def test_draws_depend_on_the_seed_alone(isoflop):
    first, again = (three_approaches(Runs(isoflop), resamples=40, seed=7) for _ in range(2))
    assert first.approaches["2"].a == again.approaches["2"].a
    assert first.approaches["3"].a == again.approaches["3"].a


def test_without_curves_approach_1_says_why_it_is_empty(isoflop):
    first = three_approaches(Runs(isoflop), resamples=20).approaches["1"]
    assert np.isnan(first.a.value)
    assert first.warnings == ("approach 1 gives no exponent: no run has a training curve, at least 3 are needed",)


def test_budgets_without_a_bracketed_minimum_are_excluded_by_name(isoflop, truth):
    budget = isoflop.C.max()
    edge = isoflop[(budget > isoflop.C) | (isoflop[budget == isoflop.C].N.median() * 1.5 < isoflop.N)]
    second = three_approaches(Runs(edge), resamples=20).approaches["2"]
    assert [row["what"] for row in second.excluded] == ["budget 3e+12 FLOP"]
    assert "edge" in second.excluded[0]["reason"]
    assert len(second.points) == 4


def test_weak_designs_are_warned_of_in_the_parametric_fit(isoflop, truth):
    frame = isoflop.assign(N=np.where(isoflop.index % 2, 2e4, 1e5))
    frame["L"] = chinchilla.predict(truth, N=frame.N, D=frame.D)
    third = three_approaches(Runs(frame), resamples=20).approaches["3"]
    assert any("few levels: 2 values of N" in sentence for sentence in third.warnings)


def test_unequal_exponents_are_warned_of():
    lopsided = {"E": 1.0, "A": 300.0, "B": 30.0, "alpha": 0.6, "beta": 0.25}
    frame = simulate.isoflop(lopsided, np.geomspace(1e11, 3e12, 5), noise=0.001)
    second = three_approaches(Runs(frame), resamples=20).approaches["2"]
    assert any("biased" in sentence for sentence in second.warnings)


def test_intervals_cover_the_truth_about_as_often_as_they_say(truth):
    """24 sweeps: a 95 % interval that covers fewer than 19 of them would be a 1-in-1000 accident."""
    covered = 0
    for seed in range(24):
        frame = simulate.isoflop(truth, np.geomspace(1e11, 3e12, 5), seeds=2, n_sizes=7, span=4, seed=seed)
        low, high = three_approaches(Runs(frame), resamples=200, seed=seed).approaches["3"].a.ci95
        covered += low < TRUE_A < high
    assert covered >= 19


def test_another_law_stands_beside_approach_3_which_stays_chinchillas(isoflop):
    truth = {"E": 0.5, "A": 5e3, "B": 5e3, "alpha": 0.6, "beta": 0.5, "k": 0.5}
    exact = skaling.predict(truth, N=isoflop.N, D=isoflop.D)
    noise = 2e-3 * np.random.default_rng(1).standard_normal(len(isoflop))
    runs = Runs(isoflop.assign(L=exact * np.exp(noise)))
    found = three_approaches(runs, beside=(skaling, chinchilla), resamples=100)
    low, high = found.variants["skaling"].a.ci95
    assert low < 0.5 / 1.1 < high
    assert {name: each.law for name, each in found.beside.items()} == {"skaling": skaling}
    assert found.variant_differences["skaling"].ci95
    plain = three_approaches(runs, resamples=100)
    assert found.parametric.law is plain.parametric.law is chinchilla
    assert found.approaches["3"].a == plain.approaches["3"].a
    assert "skaling" not in plain.variants


def test_the_lowest_curves_are_those_of_a_search_through_all_cells():
    rng = np.random.default_rng(0)
    log_size = np.sort(rng.uniform(8, 14, 60))
    log_loss = (log_size[:, None] - np.linspace(8, 14, 40)) ** 2
    log_loss[rng.random(log_loss.shape) < 0.2] = np.inf
    log_loss[-1] = 50.0
    noise = rng.normal(0, 0.3, (30, 60))
    search = [log_size[(log_loss + shift[:, None]).argmin(axis=0)] for shift in noise]
    np.testing.assert_array_equal(approaches._winning_sizes(log_loss, log_size, noise), search)
