import numpy as np
import pytest

from analysis.bench.other_forms import OTHER_FORMS, cells_of_form
from analysis.fitting.optimum import fit_point
from analysis.laws import simulate
from analysis.laws.chinchilla import chinchilla, skaling
from analysis.laws.kaplan import kaplan_ln_s
from analysis.validation.mixture import FORMS, fit_forms
from analysis.validation.predictive import OBJECTIVE, StudentT, fit_form
from scaling_harness.errors import HarnessError

NOISE = 0.004
AT = {"N": np.array([6e5, 1e6]), "D": np.array([2e7, 3e7])}


@pytest.fixture(scope="module")
def design():
    truth = {"E": 1.1, "A": 45.0, "B": 160.0, "alpha": 0.38, "beta": 0.35}
    frame = simulate.isoflop(truth, np.geomspace(3e11, 3e13, 5), n_sizes=7, span=2.5, seeds=1, noise=0.0)
    return {name: frame[name].to_numpy() for name in "ND"}, np.log(frame.L.to_numpy()), truth


def test_student_t_is_scipys():
    from scipy import stats

    each = StudentT(np.array([[0.1, 0.3]]), np.array([[0.04, 0.09]]), 7).widened(np.array([0.0, 0.4]))
    known = stats.t(7, loc=[0.1, 0.3], scale=[0.2, 0.5])
    value = np.array([[0.5, -0.2]])
    assert each.cdf(value)[0] == pytest.approx(known.cdf(value[0]))
    assert each.log_density(value)[0] == pytest.approx(known.logpdf(value[0]))
    assert each.last.location_Kq.tolist() == [[0.3]]


def test_the_error_of_the_parameters_is_what_simulated_sweeps_scatter_by(design):
    inputs, log_loss, truth = design
    rng = np.random.default_rng(0)
    many = log_loss + NOISE * rng.standard_normal((400, len(log_loss)))
    fitted = fit_form(chinchilla, inputs, many, np.ones(len(log_loss)))
    there = fitted.forecast(AT, np.array([1.0, 4.0]))
    error = there.location_Kq - np.log(chinchilla.predict(truth, **AT))
    of_params = there.square_Kq - fitted.variance_K[:, None] * np.array([1.0, 0.25])
    assert np.sqrt(fitted.variance_K.mean()) == pytest.approx(NOISE, rel=0.03)
    assert np.sqrt(of_params.mean(axis=0)) == pytest.approx(error.std(axis=0), rel=0.12)
    assert np.abs(error.mean(axis=0)).max() < 0.0005


def test_the_mean_of_cells_is_a_linear_combination_of_them(design):
    inputs, log_loss, _ = design
    noisy = (log_loss + NOISE * np.random.default_rng(1).standard_normal(len(log_loss)))[None]
    fitted = fit_form(chinchilla, inputs, noisy, np.ones(len(log_loss)))
    cells = fitted.forecast(AT, np.ones(2))
    mean = fitted.forecast(AT, np.ones(2), np.array([[0.5, 0.5]]))
    assert mean.location_Kq[0, 0] == pytest.approx(cells.location_Kq[0].mean())
    assert mean.square_Kq[0, 0] < cells.square_Kq[0].max()


def test_a_run_that_diverged_does_not_drag_the_fit_along(design):
    inputs, log_loss, _ = design
    rng = np.random.default_rng(2)
    clean = (log_loss + NOISE * rng.standard_normal(len(log_loss)))[None]
    broken = clean.copy()
    broken[0, 3] += 0.5
    forecasts = [
        fit_form(chinchilla, inputs, y, np.ones(len(log_loss))).forecast(AT, np.ones(2)) for y in (clean, broken)
    ]
    assert forecasts[1].location_Kq == pytest.approx(forecasts[0].location_Kq, abs=0.006)
    assert forecasts[1].square_Kq.max() < 16 * forecasts[0].square_Kq.max()


def test_seeds_that_scatter_more_than_the_cells_widen_the_forecast(design):
    inputs, log_loss, _ = design
    fitted = fit_form(chinchilla, inputs, log_loss[None], np.ones(len(log_loss)), seed_sd=0.01)
    assert fitted.variance_K[0] == pytest.approx(0.01**2)


def test_few_starts_reach_the_optimum_of_many():
    cells = cells_of_form(OTHER_FORMS["drifting_k"], 12, np.random.default_rng(5))
    rows = cells.kept(5)
    inputs, losses = cells.inputs(rows), cells.log_loss_Kn[:, rows]
    fitted = fit_forms(cells, FORMS, 5)[0]["skaling"]
    residuals = fitted.model.evaluate(fitted.z_KP).log_loss_Kn - losses
    mine = OBJECTIVE.value(residuals, np.ones(len(rows)))
    for i in range(5):
        best = fit_point(skaling, {name: inputs[name] for name in "ND"}, np.exp(losses[i]), OBJECTIVE)
        assert mine[i] <= best.value * (1 + 1e-4)


def test_too_few_cells_or_no_input_are_refused(design):
    inputs, log_loss, _ = design
    few = {name: values[:8] for name, values in inputs.items()}
    with pytest.raises(HarnessError, match="9 are needed"):
        fit_form(skaling, few, log_loss[None, :8], np.ones(8))
    with pytest.raises(HarnessError, match="needs S"):
        fit_form(kaplan_ln_s, inputs, log_loss[None], np.ones(len(log_loss)))
