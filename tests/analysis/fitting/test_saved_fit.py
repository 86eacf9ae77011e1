import dataclasses
import json

import numpy as np
import pytest

from analysis.fitting.fit import fit
from analysis.fitting.saved_fit import load_fit
from analysis.laws.law import Law, Term
from analysis.to_json import to_json
from scaling_harness.errors import UserError


def test_result_is_frozen_prints_and_survives_a_file(isoflop, tmp_path):
    result = fit("chinchilla", isoflop, resamples=50)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.objective = 0.0
    result.save(tmp_path / "fit.json")
    again = load_fit(tmp_path / "fit.json")
    assert to_json(again) == to_json(result)
    assert str(again) == str(result)
    assert all(name in str(result) for name in ("alpha", "97.5 %", "converged", "starts agreeing"))
    np.testing.assert_allclose(again.draws["alpha"], result.draws["alpha"])


def test_a_law_of_ones_own_is_fitted_saved_and_read_back(isoflop, tmp_path):
    mine = Law("mine", "L(N) = E + A/N^alpha", "a notebook", (Term("A", {"N": "alpha"}),))
    result = fit(mine, isoflop, resamples=20)
    assert result.values == pytest.approx(fit("kaplan_ln_offset", isoflop, resample="none").values)
    assert "mine" in str(result)
    result.save(tmp_path / "fit.json")
    assert load_fit(tmp_path / "fit.json", mine).predict(N=1e5) == pytest.approx(result.predict(N=1e5))
    with pytest.raises(UserError, match="fit of the law 'mine', which is not known here"):
        load_fit(tmp_path / "fit.json")


def test_numbers_that_json_has_not_are_none_and_are_read_back(isoflop, tmp_path):
    result = fit("chinchilla", isoflop, resamples=20)
    draws = {name: np.where(np.arange(20) == 3, np.inf, values) for name, values in result.draws.items()}
    broken = dataclasses.replace(result, draws=draws, residual_rms=np.nan, holdout={"skill": -np.inf})
    broken.save(tmp_path / "fit.json")
    document = json.loads((tmp_path / "fit.json").read_text(), parse_constant=pytest.fail)
    assert document["holdout"]["skill"] is None
    assert np.isnan(load_fit(tmp_path / "fit.json").draws["E"][3])
