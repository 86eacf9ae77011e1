import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.laws.critical_batch import (
    adaptive_gain,
    batch_of_overhead,
    critical_batch,
    doubled_batches,
    min_flops,
    min_steps,
    steps_of_batch,
)

ZHANG = {"85M": 745, "151M": 955, "302M": 1394, "604M": 1889, "1.2B": 2533}  # sequences; Zhang et al. 2024


def test_at_the_critical_batch_steps_and_examples_are_twice_their_least():
    """(S/S_min - 1)(E/E_min - 1) = 1 at every batch, and at B_crit S = 2 S_min, E = 2 E_min (Kaplan, section 5.1)."""
    params, batch = {"S_min": 400.0, "E_min": 2e6}, np.geomspace(100, 1e6, 9)
    steps = steps_of_batch.predict(params, B=batch)
    assert (steps / 400 - 1) * (steps * batch / 2e6 - 1) == pytest.approx(np.ones(9))
    critical = float(steps_of_batch.derived(params)["B_crit"])
    at = float(steps_of_batch.predict(params, B=critical))
    assert [at, at * critical] == pytest.approx([800, 4e6])
    assert min_steps(steps, batch, critical) == pytest.approx(np.full(9, 400))
    assert min_flops(6 * 1e5 * steps * batch, batch, critical) == pytest.approx(np.full(9, 6 * 1e5 * 2e6))


def test_kaplans_critical_batch_doubles_for_every_13_percent_of_the_loss():
    """Kaplan et al. 2020, section 5.1."""
    params = {"B_*": 2.1e8, "1/alpha_B": 1 / 0.21}
    double = critical_batch.predict(params, L=0.87 * 3.0) / critical_batch.predict(params, L=3.0)
    assert double == pytest.approx(2, rel=0.04)


def test_zhangs_steps_give_his_critical_batches_to_the_digit(published_dir):
    """His batch takes 1.2 times the examples of the best one, 256 sequences: aB + b = 1.2 (256 a + b)."""
    table = pd.read_csv(published_dir / "zhang_steps_to_target.csv")
    found, sizes = {}, {"85M": 85, "151M": 151, "302M": 302, "604M": 604, "1.2B": 1200}
    for model, rows in table.groupby("model", sort=False):
        frame = pd.DataFrame({"B": rows["batch_size_seqs"], "S": rows["steps_used_in_fit"]})
        result = fit(steps_of_batch, frame, loss="log_squares", resample="none")
        assert result.status == "converged"
        assert result.warnings == ()
        found[model] = float(batch_of_overhead(result.derived["B_crit"].value, 256))
    assert {model: round(value) for model, value in found.items()} == ZHANG
    slope, level = np.polyfit(np.log([sizes[m] for m in found]), np.log(list(found.values())), 1)
    assert [np.exp(level), slope] == pytest.approx([93.197, 0.46828], rel=1e-4)


def test_both_laws_are_recovered_with_intervals_that_hold_the_truth():
    rng = np.random.default_rng(4)
    batch = np.geomspace(256, 16384, 7)
    steps = steps_of_batch.predict({"S_min": 500.0, "E_min": 1e6}, B=batch) * np.exp(0.02 * rng.standard_normal(7))
    result = fit(
        steps_of_batch, pd.DataFrame({"B": batch, "S": steps}), loss="log_squares", resample="noise", resamples=200
    )
    assert result.derived["B_crit"].ci95[0] < 2000 < result.derived["B_crit"].ci95[1]
    assert result.derived["B_crit"].ci95[1] < 2600
    loss = np.linspace(1.5, 2.2, 8)
    b_crit = critical_batch.predict({"B_*": 1e5, "1/alpha_B": 4.8}, L=loss) * np.exp(0.05 * rng.standard_normal(8))
    frame = pd.DataFrame({"L": loss, "B_crit": b_crit})
    result = fit(critical_batch, frame, loss="log_squares", resample="noise", resamples=200)
    assert result.derived["alpha_B"].ci95[0] < 1 / 4.8 < result.derived["alpha_B"].ci95[1]
    assert result.derived["alpha_B"].ci95[1] < 0.3


def test_steps_that_fall_as_one_over_the_batch_show_no_least_steps():
    frame = pd.DataFrame({"B": [128.0, 256, 512, 1024], "S": [8000.0, 4000, 2000, 1000]})
    result = fit(steps_of_batch, frame, loss="log_squares", resample="none")
    assert result.status == "bound"
    assert "these runs do not show a lower limit of S" in result.warnings[-1]


def test_a_noise_scale_that_grows_is_what_an_adaptive_batch_gains_by():
    assert adaptive_gain([10, 30], [500, 500]) == pytest.approx(1)
    assert adaptive_gain([1, 1], [100, 900]) == pytest.approx((10 + 30) ** 2 / (2 * 1000))


def test_a_batch_is_doubled_as_often_as_the_critical_one_allows():
    """A batch is doubled while the critical one is above twice it (Merrill et al. 2025)."""
    critical, batch = np.array([50.0, 257, 600, 100, 1e4]), 128.0
    expected = []
    for each in critical:
        while each > 2 * batch:
            batch *= 2
        expected.append(batch)
    assert doubled_batches(critical, first=128).tolist() == expected
