"""The toy's runs are those of its description."""

import math

import pytest

from analysis.explorer.toy_runs import toy_document


def test_thirty_six_runs_of_the_truth():
    toy = toy_document()
    assert len(toy["runs"]) == 36
    assert toy["truth"]["alpha"] == 0.3478
    first, last = toy["runs"][0], toy["runs"][-1]
    assert (first["n_params"], first["n_tokens"], last["n_params"]) == (1e8, 5e8, 7e10)
    assert last["n_tokens"] == pytest.approx(40 * 7e10)
    assert first["loss"] == pytest.approx(1.8172 + 482.01 * 1e8**-0.3478 + 2085.43 * 5e8**-0.3658)


def test_errors_are_the_ripple_and_the_tilt():
    runs = toy_document()["runs"]
    third = runs[3 * 4 + 2]  # n = 3, r = 2: 1e9 parameters at 20 tokens each, an odd sum
    assert third["size"] == 3
    assert third["ripple"] == pytest.approx(0.010 * math.sin(1.91 * 4 + 2.67 * 3) - 0.004)
    x = math.log(10) / math.log(700)
    z = math.log(2e10 / 5e8) / math.log(40 * 7e10 / 5e8)
    tilt = 1.15 * (x - 0.5) - 0.95 * (z - 0.5) + 0.8 * (x - 0.5) * (z - 0.5) + 0.2 * math.sin(8 * x + 5 * z)
    assert third["tilt"] == pytest.approx(tilt)
    assert toy_document()["regions"] == {"small": (0, 3), "medium": (2, 5), "all": (0, 8)}
