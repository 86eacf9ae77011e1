"""Standard errors and intervals against other ways to the same numbers."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.bench.scenarios import SCENARIOS
from analysis.fitting.fit import fit
from analysis.fitting.objective import LEAST_SQUARES, Objective
from analysis.fitting.optimum import fit_point
from analysis.fitting.profile import profile, profile_intervals
from analysis.fitting.resample import draw_params, noise_sd, residual_draws
from analysis.fitting.sandwich import sandwich, standard_errors
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla
from analysis.laws.kaplan import kaplan_ln
from analysis.runs.replicates import SeedNoise
from scaling_harness.errors import UserError


def point_of(frame, law=chinchilla, objective=LEAST_SQUARES, weights=None):
    return fit_point(law, {name: frame[name].to_numpy() for name in law.inputs}, frame.L.to_numpy(), objective, weights)


@pytest.fixture
def straight():
    """A power law in N with normal noise: the fit is linear regression of ln L on ln N."""
    rng = np.random.default_rng(2)
    n = np.geomspace(1e5, 1e8, 30)
    return pd.DataFrame({"N": n, "L": 20 * n**-0.1 * np.exp(0.01 * rng.standard_normal(30))})


def test_profile_of_a_straight_line_is_the_t_interval(straight):
    found = profile(point_of(straight, kaplan_ln), "alpha")
    line = scipy.stats.linregress(np.log(straight.N), np.log(straight.L))
    half = scipy.stats.t.ppf(0.975, 28) * line.stderr
    assert found.value == pytest.approx(-line.slope, rel=1e-6)
    assert found.interval == pytest.approx((-line.slope - half, -line.slope + half), rel=1e-3)


def test_profile_of_a_coefficient_is_that_of_the_intercept(straight):
    low, high = profile(point_of(straight, kaplan_ln), "A").interval
    line = scipy.stats.linregress(np.log(straight.N), np.log(straight.L))
    half = scipy.stats.t.ppf(0.975, 28) * line.intercept_stderr
    assert np.log([low, high]) == pytest.approx([line.intercept - half, line.intercept + half], rel=1e-3)


def test_sandwich_of_a_straight_line_is_the_robust_covariance(straight):
    point = point_of(straight, kaplan_ln)
    x = np.log(straight.N) - np.log(straight.N).mean()
    X = np.stack([np.ones(30), -x], axis=1)
    bread = np.linalg.inv(X.T @ X)
    expected = bread @ (X.T * point.residuals**2) @ X @ bread * 30 / 28
    np.testing.assert_allclose(sandwich(point), expected, rtol=1e-6)


def test_clusters_of_one_row_are_rows_and_copies_add_no_information(straight):
    point = point_of(straight, kaplan_ln)
    np.testing.assert_allclose(sandwich(point, np.arange(30)), sandwich(point))
    doubled = pd.concat([straight, straight], ignore_index=True)
    twice = sandwich(point_of(doubled, kaplan_ln), np.tile(np.arange(30), 2))
    np.testing.assert_allclose(twice, sandwich(point), rtol=1e-6)


@pytest.mark.parametrize("objective", [Objective(), Objective("raw"), LEAST_SQUARES], ids=str)
def test_hessian_standard_errors_agree_with_the_spread_of_resamples(objective, isoflop):
    point = point_of(isoflop, objective=objective)
    draws = draw_params(point, "cases", 400, np.random.default_rng(0))
    for name, error in standard_errors(point).items():
        assert error == pytest.approx(draws[name].std(), rel=0.3)


def test_every_way_of_resampling_gives_about_the_same_errors_on_normal_noise(isoflop):
    point = point_of(isoflop)
    found = {
        way: draw_params(point, way, 400, np.random.default_rng(0))["alpha"].std()
        for way in ("cases", "residuals", "noise", "sandwich")
    }
    assert max(found.values()) < 1.3 * min(found.values())


def test_profile_and_resamples_agree(isoflop):
    result = fit("chinchilla", isoflop, resamples=400, profiles=True)
    for name, (low, high) in result.checks["ci95_profile"].items():
        width = result.params[name].ci95[1] - result.params[name].ci95[0]
        assert high - low == pytest.approx(width, rel=0.4)
        assert low < result.params[name].value < high


@pytest.mark.parametrize("objective", [Objective(), LEAST_SQUARES], ids=str)
def test_residuals_are_drawn_as_large_as_the_noise_that_made_them(objective, straight):
    noise = 0.01 * np.random.default_rng(7).standard_normal((40, 30))
    loss = 20 * straight.N.to_numpy() ** -0.1
    points = [point_of(straight.assign(L=loss * np.exp(row)), kaplan_ln, objective) for row in noise]
    drawn = [residual_draws(point, 20, np.random.default_rng(0)).var() for point in points]
    assert np.sqrt(np.mean(drawn)) == pytest.approx(0.01, rel=0.06)


def test_noise_is_that_of_seeds_or_the_scatter_where_it_is_larger(isoflop):
    point = point_of(isoflop)
    sd, dof = noise_sd(point, SeedNoise(0.1, 40))
    assert (sd[0], dof) == (0.1, 40)
    sd, _ = noise_sd(point, SeedNoise(1e-5, 40))
    assert sd[0] == pytest.approx(point.residual_rms)


def test_ways_that_need_independent_rows_refuse_clusters(isoflop):
    with pytest.raises(UserError, match="independent"):
        fit("chinchilla", isoflop.assign(trunk=isoflop.index % 20), clusters="trunk", resample="noise")
    with pytest.raises(UserError, match="not one of cases"):
        fit("chinchilla", isoflop, resample="jackknife")


def test_clustered_checkpoints_widen_the_interval(isoflop):
    rng = np.random.default_rng(4)
    trunk = np.repeat(np.arange(27), 5)
    frame = isoflop.assign(trunk=trunk, L=isoflop.L * np.exp(0.01 * rng.standard_normal(27))[trunk])
    alone = fit("chinchilla", frame, resamples=300)
    together = fit("chinchilla", frame, clusters="trunk", resamples=300)
    assert together.params["E"].stderr > 1.1 * alone.params["E"].stderr


def test_an_offset_that_the_data_do_not_bound_has_no_interval():
    truth = {"E": 0.3, "A": 12.0, "B": 20.0, "alpha": 0.12, "beta": 0.12}
    frame = simulate.isoflop(truth, np.geomspace(1e11, 3e12, 3), noise=0.02, seeds=2, n_sizes=5, span=4)
    result = fit("chinchilla", frame, resamples=50)
    assert result.params["E"].ci95 is None
    assert any(sentence.startswith("E unidentified") for sentence in result.warnings)
    assert result.params["alpha"].ci95 is not None


def test_profile_intervals_cover_every_parameter_or_say_that_they_are_open(isoflop):
    assert set(profile_intervals(point_of(isoflop))) == set(chinchilla.params)


def test_weights_from_noise_are_one_over_the_seeds_variance(isoflop):
    weighted = fit("chinchilla", isoflop, weights="noise", resample="none")
    plain = fit("chinchilla", isoflop, resample="none")
    assert weighted.values == pytest.approx(plain.values, rel=1e-6)  # the same noise at every size: equal weights
    with pytest.raises(UserError, match="several seeds"):
        fit("chinchilla", isoflop[isoflop.seed == 0], weights="noise")


def test_long_tables_take_the_sandwich(isoflop, truth):
    many = pd.concat([isoflop.assign(N=isoflop.N * x, D=isoflop.D / x) for x in np.geomspace(0.99, 1.01, 160)])
    noise = 0.005 * np.random.default_rng(0).standard_normal(len(many))
    many = many.assign(L=chinchilla.predict(truth, N=many.N, D=many.D) * np.exp(noise))
    result = fit("chinchilla", many)
    assert result.settings["resample"] == "sandwich"
    low, high = result.params["alpha"].ci95
    assert low < truth["alpha"] < high


@pytest.mark.parametrize(
    ("scenario", "resample", "said"),
    [("hoffmann", "noise", True), ("hoffmann", "cases", False), ("asymmetric", "noise", False)],
)
def test_heavy_tails_are_warned_of_where_noise_is_taken_as_normal(scenario, resample, said):
    result = fit("chinchilla", SCENARIOS[scenario].sweep(np.random.default_rng(3)), resample=resample, resamples=2)
    assert any("heavier tails" in warning for warning in result.warnings) == said


@pytest.mark.parametrize(("scenario", "said"), [("hoffmann", False), ("asymmetric", True)])
def test_a_sandwich_of_few_runs_is_warned_of(scenario, said):
    frame = SCENARIOS[scenario].sweep(np.random.default_rng(3))
    warnings = fit("chinchilla", frame, resample="sandwich", resamples=2).warnings
    assert any("a little short" in warning for warning in warnings) == said
