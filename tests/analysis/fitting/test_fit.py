import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from analysis.fitting.fit import fit
from analysis.fitting.resample import case_weights
from analysis.fitting.saved_fit import load_fit
from analysis.runs.selection import Runs
from scaling_harness.errors import HarnessError, UserError


def test_hoffmann_240_rows_reach_the_known_optimum(hoffmann240):
    result = fit("chinchilla", hoffmann240, resample="none")
    assert result.objective == pytest.approx(0.0010182740178, rel=1e-7)
    known = {"E": 1.8172181, "A": 477.82586, "B": 2143.41738, "alpha": 0.34731050, "beta": 0.36717243}
    for name, value in known.items():
        assert result.params[name].value == pytest.approx(value, rel=1e-4)
    assert result.derived["a"].value == pytest.approx(0.5138995, abs=1e-6)


def test_all_245_rows_reach_the_known_optimum(published_dir):
    table = pd.read_csv(published_dir / "hoffmann_fig4_besiroglu.csv")
    frame = pd.DataFrame({"N": table["Model Size"], "L": table["loss"]})
    result = fit("chinchilla", frame.assign(D=table["Training FLOP"] / (6 * frame.N)), resample="none")
    assert result.objective == pytest.approx(0.00182601, rel=1e-5)
    assert result.params["beta"].value == pytest.approx(0.45305, abs=1e-5)


def test_gemstones_reach_the_known_optimum(published_dir):
    table = pd.read_json(published_dir / "gemstones_hot.jsonl", lines=True)
    columns = {"params_active_precise": "N", "tokens": "D", "final_loss": "L"}
    result = fit("chinchilla", table.rename(columns=columns), resample="none")
    assert result.objective == pytest.approx(0.0019816128, rel=1e-7)
    assert result.params["alpha"].value == pytest.approx(0.29287, abs=5e-5)
    assert np.log(result.params["B"].value) == pytest.approx(15.416, abs=5e-3)


def test_standard_errors_agree_with_besiroglu(hoffmann240):
    result = fit("chinchilla", hoffmann240, resamples=600)
    published = {"E": 0.0257, "alpha": 0.0154, "beta": 0.0206, "A": 124.5}
    for name, stderr in published.items():
        assert result.params[name].stderr == pytest.approx(stderr, rel=0.15)


def test_intervals_cover_a_simulated_truth(isoflop):
    result = fit("chinchilla", isoflop, resample="residuals", resamples=200)
    low, high = result.derived["a"].ci95
    assert low < 0.35 / 0.73 < high
    assert high - low < 0.2


@pytest.mark.parametrize("loss", ["log_huber", "raw_huber", "log_squares", "raw_squares"])
def test_every_objective_recovers_noise_free_truth(loss, noise_free, truth):
    result = fit("chinchilla", noise_free, loss=loss, resample="none")
    assert result.params["alpha"].value == pytest.approx(truth["alpha"], rel=1e-4)


def test_all_starts_agree_on_noise_free_data(noise_free):
    result = fit("chinchilla", noise_free, resample="none")
    assert result.certificate.agreeing == result.certificate.tried
    assert result.warnings == ()


def test_what_was_left_out_is_counted_by_reason_in_the_warnings(isoflop):
    dropped = [{"run": str(i), "reason": reason} for i, reason in enumerate("aabcdef")]
    warnings = fit("chinchilla", Runs(isoflop, tuple(dropped)), resample="none").warnings
    assert warnings[0] == "2 of the runs given left out: a"
    assert warnings[4] == "and 2 other reasons"


def test_power_law_in_one_variable_agrees_with_a_straight_line():
    x = np.geomspace(1e3, 1e7, 20)
    frame = pd.DataFrame({"N": x, "L": 30 * x**-0.1 * np.exp(0.01 * np.sin(np.arange(20)))})
    result = fit("kaplan_ln", frame, loss="log_squares", resample="none")
    slope, intercept = np.polyfit(np.log(frame.N), np.log(frame.L), 1)
    assert result.params["alpha"].value == pytest.approx(-slope, rel=1e-8)
    assert result.params["A"].value == pytest.approx(np.exp(intercept), rel=1e-8)


def test_residuals_stand_beside_the_noise_of_seeds(isoflop):
    """The simulated noise is .5 %, and the law is the one it was simulated with; then one bent by 3 % an e-fold."""
    result = fit("chinchilla", isoflop, resamples=20)
    noise = result.checks["noise"]
    assert noise["seed_rms"] == pytest.approx(0.005, rel=0.15)
    assert noise["ratio"] == pytest.approx(1, abs=0.15)
    assert noise["lack_of_fit_p"] > 0.01
    assert f"a ratio of {noise['ratio']:.2f}" in str(result)
    bent = isoflop.assign(L=isoflop.L * np.exp(0.03 * np.sin(3 * np.log(isoflop.N))))
    noise = fit("chinchilla", bent, resamples=20).checks["noise"]
    assert noise["ratio"] > 2
    assert noise["lack_of_fit_p"] < 1e-6
    assert "noise" not in fit("chinchilla", isoflop[isoflop.seed == 0], resamples=20).checks


def test_clusters_are_drawn_whole():
    labels = np.array(["a", "a", "b", "c", "c", "c"])
    weights = case_weights(6, 200, np.random.default_rng(0), labels)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_few_clusters_are_warned_of(isoflop):
    frame = isoflop.assign(trunk=isoflop.index % 6)
    result = fit("chinchilla", frame, clusters="trunk", resamples=20)
    assert any("6 clusters" in sentence for sentence in result.warnings)


def test_offset_running_to_zero_is_warned_of(without_offset):
    result = fit("chinchilla", without_offset, resample="none")
    assert result.status == "bound"
    assert any("E runs to zero" in sentence for sentence in result.warnings)


def test_unknown_law_column_and_missing_file_are_user_errors(isoflop, tmp_path):
    with pytest.raises(UserError, match="choose from"):
        fit("newton", isoflop)
    with pytest.raises(UserError, match="no column D"):
        fit("chinchilla", isoflop.drop(columns="D"))
    with pytest.raises(UserError, match="cannot read"):
        load_fit(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(UserError, match="not a saved fit"):
        load_fit(tmp_path / "bad.json")


def test_fewer_runs_than_parameters_is_refused(isoflop):
    with pytest.raises(HarnessError, match="cannot fix the 5 parameters"):
        fit("chinchilla", isoflop.iloc[[0, 40, 80, 120]])


def below_the_floor(noise=0.0):
    """L = 2 + 2000/N^.45 + 9000/D^.45 on a 4 x 4 grid, the least loss below the floor of 2."""
    N, D = (values.ravel() for values in np.meshgrid(np.geomspace(1e8, 1e11, 4), np.geomspace(1e10, 1e13, 4)))
    frame = pd.DataFrame({"N": N, "D": D, "C": 6 * N * D, "L": 2 + 2000 / N**0.45 + 9000 / D**0.45})
    frame["L"] *= np.exp(noise * np.random.default_rng(3).standard_normal(len(frame)))
    frame.loc[frame.L.idxmin(), "L"] = 1.99
    return frame


def unbounded_objective(E, frame, delta=1e-3):
    """Huber's loss of log residuals, least over the other parameters, by a general solver."""

    def objective(p):
        fitted = np.log(E + np.exp(p[0] - p[2] * np.log(frame.N / 1e9)) + np.exp(p[1] - p[3] * np.log(frame.D / 1e11)))
        size = np.abs(fitted - np.log(frame.L))
        core = np.minimum(size, delta)
        return 1e3 * (core * (size - core / 2)).sum()

    start = [np.log(2000 / 1e9**0.45), np.log(9000 / 1e11**0.45), 0.45, 0.45]
    options = {"maxiter": 4000, "maxfev": 4000, "xatol": 1e-9, "fatol": 1e-13}
    return minimize(objective, start, method="Nelder-Mead", options=options).fun / 1e3


def test_a_loss_below_the_floor_does_not_hold_e_down():
    frame = below_the_floor()
    found = fit("chinchilla", frame, resamples=50)
    assert found.status == "converged"
    assert frame.L.min() < found.values["E"]
    assert found.values["E"] == pytest.approx(2, abs=2e-3)
    assert found.objective <= min(unbounded_objective(E, frame) for E in (1.997, 1.998, 1.9981, 1.999, 2.0))
    assert found.objective * 1.1 < unbounded_objective(1.99, frame)  # what a bound at the least loss would give
    assert not any("runs to zero" in sentence or "unidentified" in sentence for sentence in found.warnings)


def test_a_smaller_threshold_gives_the_row_below_the_floor_less_weight():
    found = fit("chinchilla", below_the_floor(), delta=5e-5, resample="none")
    assert found.values["E"] == pytest.approx(1.9999, abs=5e-5)


def test_noise_below_the_floor_leaves_e_its_interval():
    found = fit("chinchilla", below_the_floor(noise=0.001), resample="residuals", resamples=200)
    low, high = found.params["E"].ci95
    assert low < 2 < high
    assert not found.certificate.bounds_hit


def test_the_bound_that_holds_an_exponent_is_named(isoflop):
    found = fit("chinchilla", isoflop.assign(L=9 - isoflop.L), resample="none")
    assert "alpha stopped at its lower bound, 0" in found.warnings


def test_a_missing_input_is_named_with_the_columns_that_the_table_has():
    table = pd.DataFrame({"params": [1e6, 2e6], "tokens": [1e8, 2e8], "L": [3.0, 2.9]})
    with pytest.raises(UserError, match=r"no column N, D, .*; it has params, tokens: name it with --columns"):
        fit("chinchilla", table)
