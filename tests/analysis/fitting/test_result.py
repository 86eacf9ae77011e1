import pytest

from analysis.fitting.fit import fit
from analysis.to_json import to_json
from scaling_harness.errors import UserError


def test_inputs_that_the_law_does_not_take_are_named(isoflop):
    result = fit("chinchilla", isoflop, resample="none")
    for inputs in ({"n_params": 1e5, "n_tokens": 1e6}, {"N": 1e5}, {"N": 1e5, "D": 1e6, "C": 6e11}):
        with pytest.raises(UserError, match="takes N, D; given: "):
            result.predict(**inputs)


def test_json_document_has_the_promised_keys(isoflop):
    document = to_json(fit("chinchilla", isoflop, resamples=20))
    promised = "law n_runs dropped params derived objective status starts gradient_norm condition residual_rms"
    assert set(f"{promised} holdout warnings settings".split()) <= set(document)
    assert set(document["params"]["E"]) == {"value", "stderr", "ci95"}
    assert {"a", "b", "G"} <= set(document["derived"])
