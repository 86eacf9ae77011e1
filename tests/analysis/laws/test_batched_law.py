import numpy as np
import pytest
from scipy.optimize import approx_fprime

from analysis.laws.batched_law import on_rows
from analysis.laws.registry import LAWS

SUMS = {name: law for name, law in LAWS.items() if law.form is None}  # of the others: test_general_law
RNG = np.random.default_rng(3)


def model_and_vectors(law, n_problems=3):
    inputs = {name: np.exp(RNG.uniform(2, 9, 12)) for name in law.inputs}
    model = on_rows(law, inputs)
    return model, inputs, RNG.uniform(0.2, 0.8, (n_problems, model.n_params))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_value_agrees_with_the_law_in_natural_parameters(law):
    model, inputs, z_KP = model_and_vectors(law)
    for z_P, log_loss in zip(z_KP, model.evaluate(z_KP).log_loss_Kn, strict=True):
        np.testing.assert_allclose(log_loss, np.log(law.predict(model.to_natural(z_P), **inputs)), rtol=1e-10)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_internal_and_natural_parameters_invert(law):
    model, _, z_KP = model_and_vectors(law)
    np.testing.assert_allclose(model.to_internal(model.to_natural(z_KP)), z_KP, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_jacobian_agrees_with_finite_differences(law):
    model, _, z_KP = model_and_vectors(law)
    analytic = model.jacobian(model.evaluate(z_KP))
    for z_P, J_Pn in zip(z_KP, analytic, strict=True):
        numeric = approx_fprime(z_P, lambda z: model.evaluate(z[None]).log_loss_Kn[0], 1e-7)
        np.testing.assert_allclose(J_Pn, numeric.T, atol=2e-6)


@pytest.mark.parametrize("law", SUMS.values(), ids=SUMS.keys())
def test_curvature_agrees_with_finite_differences(law):
    model, _, z_KP = model_and_vectors(law, n_problems=1)
    h_n, v_n = RNG.uniform(0, 1, 12), RNG.normal(size=12)

    def weighted_gradient(z_P):
        return model.jacobian(model.evaluate(z_P[None]))[0] @ v_n

    at = model.evaluate(z_KP)
    J_KPn = model.jacobian(at)
    analytic = model.curvature(at, J_KPn, h_n[None], v_n[None])[0]
    numeric = approx_fprime(z_KP[0], weighted_gradient, 1e-7) + (J_KPn[0] * h_n) @ J_KPn[0].T
    np.testing.assert_allclose(analytic, numeric, atol=3e-5)
