"""Every law is recovered from losses drawn from it; the published fits of the ones that have data."""

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.laws.law import derive
from analysis.laws.registry import LAWS

TRUTHS = {
    "chinchilla": {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37},
    "tied": {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35},
    "skaling": {"E": 1.6, "A": 3e4, "B": 9e5, "alpha": 0.7, "beta": 0.8, "k": 0.4},
    "muennighoff": {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "R_D": 15.4, "R_N": 5.3},
    "kaplan_ln": {"A": 11.5, "alpha": 0.076},
    "kaplan_ln_offset": {"E": 1.7, "A": 300.0, "alpha": 0.3},
    "kaplan_ld": {"A": 20.1, "alpha": 0.095},
    "kaplan_ld_offset": {"E": 1.7, "A": 700.0, "alpha": 0.3},
    "kaplan_lc": {"A": 15.0, "alpha": 0.05},
    "kaplan_lc_offset": {"E": 1.7, "A": 900.0, "alpha": 0.16},
    "kaplan_ln_d": {"A": 1.5e10, "D_c": 1.8e13, "ratio": 0.738, "alpha_D": 0.103},
    "kaplan_ln_d_footnote": {"A": 3e4, "B": 9e5, "alpha": 0.7, "beta": 0.8, "k": 0.2},
    "kaplan_ln_s": {"A": 6.8, "B": 335.0, "alpha": 0.077, "beta": 0.76},
    "loglinear": {"A": 30.0, "alpha": 0.08, "beta": -0.03, "gamma": 0.1},
    "rosenfeld": {"E": 1.6, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37, "L_0": 5.0},
    "amari": {"E": 0.3, "c": 4e5, "p": 0.55},
}


def draw_inputs(law, n_rows=80):
    """Inputs that vary separately, as a law of all of them asks for."""
    rng = np.random.default_rng(5)
    ranges = {"N": (1e7, 1e10), "D": (1e9, 1e11), "C": (1e17, 1e22), "S": (1e3, 3e5)}
    inputs = {name: np.exp(rng.uniform(*np.log(ranges[name]), n_rows)) for name in law.inputs if name in ranges}
    if law.repeats:
        inputs["U"] = inputs["D"] / np.exp(np.abs(rng.normal(0, 2, n_rows)))
    return inputs


@pytest.mark.parametrize("name", LAWS)
def test_noise_free_truth_is_recovered(name):
    law, truth = LAWS[name], TRUTHS[name]
    inputs = draw_inputs(law)
    result = fit(law, pd.DataFrame({**inputs, "L": law.predict(truth, **inputs)}), resample="none")
    assert result.values == pytest.approx(truth, rel=1e-4)
    assert result.status == "converged"


def test_kaplans_joint_law_has_his_constants_and_optimum():
    law = LAWS["kaplan_ln_d"]
    n_c, alpha_n, alpha_d = 6.4e13, 0.076, 0.103
    ratio = alpha_n / alpha_d
    params = {"A": n_c**ratio, "D_c": 1.8e13, "ratio": ratio, "alpha_D": alpha_d}
    derived = derive(law, params)
    assert derived["alpha_N"] == pytest.approx(alpha_n)
    assert derived["N_c"] == pytest.approx(n_c)
    assert derived["a"] == pytest.approx(0.575, abs=5e-4)
    expected = ((n_c / 1e9) ** (alpha_n / alpha_d) + 1.8e13 / 2e10) ** alpha_d
    assert law.predict(params, N=1e9, D=2e10) == pytest.approx(expected)
