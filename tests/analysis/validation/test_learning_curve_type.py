import json

import numpy as np
import pandas as pd
import pytest

from analysis.fitting.fit import fit
from analysis.laws.amari import TYPES, learning_curve
from analysis.to_json import to_json
from analysis.validation.learning_curve_type import learning_curve_type

D = np.geomspace(1e2, 1e4, 24)


def finding(loss, resamples=80, **settings):
    frame = pd.DataFrame({"D": D, "L": loss * np.exp(0.01 * np.random.default_rng(2).standard_normal(len(D)))})
    free = fit("amari", frame, resamples=resamples, loss="log_squares", starts=8, **settings)
    return learning_curve_type(free, frame)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: str(kind.number))
def test_runs_of_a_type_are_named_as_of_it(kind):
    found = finding(learning_curve(kind.number, D, 40.0, 0.3 if kind.floor else 0.0))
    assert found.nearest is kind
    assert found.of_type
    assert (found.floor is not None) == kind.floor
    assert min(found.residual_rms, key=found.residual_rms.__getitem__) in (kind.number, 4)
    assert f"nearest to type {kind.number}, " in found.sentence()
    assert found.sentence().endswith("the interval holds its exponent")
    json.dumps(to_json(found), allow_nan=False)


def test_runs_of_no_type_are_told_so():
    slow = finding(3 * D**-0.2)
    assert slow.nearest.number == 3
    assert slow.of_type is False
    assert "the runs are not of it: the interval excludes its exponent" in slow.sentence()
    floored = finding(0.3 + 3 * D**-0.5)
    assert floored.nearest.number == 3
    assert floored.of_type is False
    assert floored.sentence().endswith("the runs have a floor E, which that type has not")


def test_without_an_interval_nothing_is_claimed():
    assert finding(40 / D, resamples=0).of_type is None
