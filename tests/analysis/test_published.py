import numpy as np
import pytest

from analysis.laws import LAWS, derive
from analysis.published import PUBLISHED


@pytest.mark.parametrize("entry", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_every_entry_says_what_its_n_is_and_where_it_is_from(entry):
    assert entry.source
    assert entry.n_convention in ("non_embedding", "with_head", "total")
    assert entry.law is None or set(entry.params) == set(LAWS[entry.law].params)
    assert entry.precision


@pytest.mark.parametrize(("key", "printed"), [("besiroglu2024", 0.5126), ("hoffmann2022", 0.4565)])
def test_constants_give_the_exponent_printed_beside_them(key, printed):
    entry = PUBLISHED[key]
    assert derive(LAWS[entry.law], entry.params)["a"] == pytest.approx(printed, abs=1e-4)
    assert entry.a == printed


def test_rounded_exponents_do_not_give_the_printed_one():
    entry = PUBLISHED["hoffmann2022_rounded"]
    assert derive(LAWS["chinchilla"], entry.params)["a"] == pytest.approx(0.4516, abs=1e-4)


def test_kaplans_constants_predict_one_nat_at_their_scale():
    for key, scale in {"kaplan2020_ln": 8.8e13, "kaplan2020_ld": 5.4e13, "kaplan2020_lc": 1.6e7 * 8.64e19}.items():
        entry = PUBLISHED[key]
        law = LAWS[entry.law]
        np.testing.assert_allclose(law.predict(entry.params, **{law.inputs[0]: scale}), 1.0)
