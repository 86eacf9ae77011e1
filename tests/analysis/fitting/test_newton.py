import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

from analysis.fitting import newton
from analysis.fitting.objective import LEAST_SQUARES, Objective
from analysis.fitting.optimum import fit_point
from analysis.laws.batched_law import on_rows
from analysis.laws.chinchilla import chinchilla, tied


def scipy_best(model, frame, objective, weights, n_starts=12):
    """The optimum that scipy's L-BFGS-B finds from random starts: an independent answer."""
    log_loss = np.log(frame.L.to_numpy())
    low, high = model.bounds(frame.L.min())

    def value_and_gradient(z):
        at = model.evaluate(z[None])
        residual = objective.residuals(at.log_loss_Kn[0], log_loss)
        slope, _ = objective.slopes(residual, at.log_loss_Kn[0])
        return 1e6 * objective.value(residual, weights), 1e6 * model.jacobian(at)[0] @ (weights * slope)

    rng = np.random.default_rng(0)
    best = np.inf
    for _ in range(n_starts):
        start = np.array([*rng.uniform(-0.5, 0.5, 3), *rng.uniform(0.1, 0.8, 2)])
        options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 5000, "maxfun": 20000}
        found = minimize(
            value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=list(zip(low, high, strict=True)),
            options=options,
        )  # fmt: skip
        best = min(best, found.fun / 1e6)
    return best


def inputs_of(frame):
    return {"N": frame.N.to_numpy(), "D": frame.D.to_numpy()}


@pytest.mark.parametrize("objective", [Objective(), Objective("raw"), LEAST_SQUARES], ids=str)
def test_optimum_is_no_worse_than_scipy_multistart(objective, isoflop):
    point = fit_point(chinchilla, inputs_of(isoflop), isoflop.L.to_numpy(), objective)
    independent = scipy_best(point.model, isoflop, objective, np.ones(len(isoflop)))
    assert point.value <= independent * (1 + 1e-9)
    assert point.certificate.gradient_norm < 1e-6
    assert point.certificate.converged


def test_raw_least_squares_agrees_with_scipy_trust_region(isoflop):
    objective = Objective("raw", np.inf)
    point = fit_point(chinchilla, inputs_of(isoflop), isoflop.L.to_numpy(), objective)

    def residuals(z):
        return np.exp(point.model.evaluate(z[None]).log_loss_Kn[0]) - isoflop.L.to_numpy()

    found = least_squares(residuals, point.z_P + 0.05, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    np.testing.assert_allclose(point.z_P, found.x, atol=1e-5)


def test_noise_free_truth_is_recovered(noise_free, truth):
    point = fit_point(chinchilla, inputs_of(noise_free), noise_free.L.to_numpy(), Objective())
    for name, value in truth.items():
        assert point.params[name] == pytest.approx(value, rel=1e-6)


def test_resamples_solved_together_reach_each_ones_own_optimum(isoflop):
    point = fit_point(chinchilla, inputs_of(isoflop), isoflop.L.to_numpy(), Objective())
    weights = np.random.default_rng(1).multinomial(len(isoflop), np.full(len(isoflop), 1 / len(isoflop)), 20)
    together = point.refit(weights=weights.astype(float))
    for row, value in zip(weights, together.objective_K, strict=True):
        assert value <= scipy_best(point.model, isoflop, Objective(), row, n_starts=4) * (1 + 1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e6])
def test_the_scale_of_the_objective_does_not_matter(scale, isoflop):
    one = fit_point(chinchilla, inputs_of(isoflop), isoflop.L.to_numpy(), Objective())
    scaled = fit_point(chinchilla, inputs_of(isoflop), isoflop.L.to_numpy(), Objective(), np.full(len(isoflop), scale))
    np.testing.assert_allclose(scaled.z_P, one.z_P, rtol=1e-6, atol=1e-6)
    assert scaled.value == pytest.approx(one.value * scale, rel=1e-9)


def test_an_offset_that_is_not_there_ends_at_its_bound(without_offset):
    point = fit_point(chinchilla, inputs_of(without_offset), without_offset.L.to_numpy(), Objective())
    assert point.certificate.bounds_hit == ("E",)


def test_model_on_some_rows_is_the_model_there(isoflop):
    model = on_rows(chinchilla, inputs_of(isoflop))
    z_KP = np.array([[0.1, -0.5, -0.2, 0.3, 0.4]])
    rows = np.array([3, 50, 7])
    np.testing.assert_array_equal(
        model.subset(rows).evaluate(z_KP).log_loss_Kn, model.evaluate(z_KP).log_loss_Kn[:, rows]
    )


def test_the_same_problem_is_solved_once_and_any_other_anew(isoflop, monkeypatch):
    solved = []
    monkeypatch.setattr(newton, "_solutions", {})
    monkeypatch.setattr(newton, "REMEMBERED", 3)
    solve_chunk = newton._solve_chunk
    monkeypatch.setattr(newton, "_solve_chunk", lambda *problem: solved.append(1) or solve_chunk(*problem))
    log_loss, weights = np.log(isoflop.L.to_numpy()), np.ones(len(isoflop))

    def solution(log_loss=log_loss, weights=weights, law=chinchilla, objective=LEAST_SQUARES, floor=0.0, start=0.1):
        model = on_rows(law, inputs_of(isoflop))
        low, high = model.bounds(isoflop.L.min())
        problem = newton.Problem(model, log_loss, weights, low + floor, high)
        return newton.solve(problem, objective, np.full((1, model.n_params), start))

    first = solution()
    first.z_KP[:] = 0.0  # a caller's own array: what is remembered stays
    again = solution()
    assert len(solved) == 1
    assert again.z_KP.any()
    solution(log_loss=log_loss + 1e-12)
    solution(weights=weights * 2)
    solution(law=tied)
    solution(objective=Objective())
    solution(floor=1e-9)
    solution(start=0.2)
    assert len(solved) == 7
    np.testing.assert_array_equal(solution().z_KP, again.z_KP)  # forgotten, and solved again
    assert len(solved) == 8
