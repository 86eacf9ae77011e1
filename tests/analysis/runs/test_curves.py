import numpy as np
import pandas as pd
import pytest

from analysis.runs.curves import curve_points, curves_of, load_curve, smooth_gaussian
from analysis.runs.load import load_runs


def test_smoothing_keeps_constants_and_means_neighbours():
    np.testing.assert_allclose(smooth_gaussian(np.full(50, 3.0)), 3.0)
    step = smooth_gaussian(np.repeat([0.0, 1.0], 50))
    assert (step[49] + step[50]) / 2 == pytest.approx(0.5)
    assert step[30] < 1e-3


def test_validation_losses_are_preferred_to_training_losses():
    tokens = np.arange(1.0, 11.0)
    curve = pd.DataFrame({"tokens": tokens, "loss": 9.0, "valid_loss": np.where(tokens % 2 == 0, 3.0, np.nan)})
    seen, loss = curve_points(curve)
    assert list(seen) == [2, 4, 6, 8, 10]
    assert set(loss) == {3.0}
    seen, loss = curve_points(curve.drop(columns="valid_loss"))
    assert len(seen) == 10
    np.testing.assert_allclose(loss, 9.0)


def test_curve_of_a_run_is_a_table(make_sweep, record):
    curve = [{"step": 1, "tokens": 512, "loss": 5.0}, {"step": 2, "tokens": 1024, "loss": 4.0, "valid_loss": 4.1}]
    runs = load_runs(make_sweep([record("a", 1000, 51200, 3.0)], {"a": curve}))
    read = load_curve(runs.frame.iloc[0])
    assert list(read.tokens) == [512, 1024]
    assert read.valid_loss.isna().tolist() == [True, False]


@pytest.mark.parametrize("n_evaluated", [2, 6])
def test_points_of_a_run_are_those_of_its_table(make_sweep, record, n_evaluated):
    curve = [{"step": i, "tokens": 512 * i, "loss": 5.0 / i} for i in range(1, 21)]
    evaluations = [{"step": i, "tokens": 512 * i, "valid_loss": 6.0 / i} for i in range(1, n_evaluated + 1)]
    odd = [{"step": 20, "tokens": 10240, "valid_loss": None}, {"step": 20, "valid_loss": 1.0}]
    runs = load_runs(make_sweep([record("a", 1000, 51200, 3.0)], {"a": [*curve, *evaluations, *odd]}))
    (points,) = curves_of(runs).values()
    np.testing.assert_array_equal(points, curve_points(load_curve(runs.frame.iloc[0])))
    assert len(points[0]) == (6 if n_evaluated == 6 else 20)
