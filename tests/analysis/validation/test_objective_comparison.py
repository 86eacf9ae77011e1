import numpy as np
import pytest

from analysis.validation.objective_comparison import fit_every_way, objective_table


def test_offset_of_hoffmanns_runs_depends_on_the_objective_as_it_is_known_to(hoffmann240):
    """By squares on L the fit is another one: the numbers are those of Czech et al.'s separable least squares."""
    table = objective_table(fit_every_way("chinchilla", hoffmann240)).set_index("objective")
    assert table.E["log_huber"] == pytest.approx(1.8172181, rel=1e-5)
    assert table.E["raw_squares"] == pytest.approx(1.8828, abs=1e-3)
    assert table.alpha["raw_squares"] == pytest.approx(0.3577, abs=1e-3)
    assert table.beta["raw_squares"] == pytest.approx(0.4276, abs=1e-3)
    assert table.a["raw_squares"] == pytest.approx(0.5445, abs=1e-3)
    assert table.E["log_huber"] < table.E["raw_huber"] < table.E["log_squares"] < table.E["raw_squares"]
    assert not any("weights" in name for name in table.index)


def test_seeds_allow_weights_from_their_noise(isoflop):
    scatter = np.random.default_rng(0).standard_normal(len(isoflop)) * np.sqrt(isoflop.N / isoflop.N.max())
    found = fit_every_way("chinchilla", isoflop.assign(L=isoflop.L * np.exp(0.02 * scatter)), starts=8)
    assert {"log_huber, noise weights", "log_squares, noise weights"} <= set(found)
    assert found["log_squares, noise weights"].values["A"] != pytest.approx(found["log_squares"].values["A"], rel=1e-3)
