import re

import pytest

from analysis.laws.kaplan import kaplan_lc
from analysis.laws.registry import LAWS


def test_law_without_both_inputs_has_no_optimum():
    with pytest.raises(ValueError, match="no optimum"):
        kaplan_lc.optimal({"A": 1.0, "alpha": 0.1}, 1e20)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_every_law_names_its_source_and_falls_with_its_inputs(law):
    params = dict.fromkeys(law.params, 0.5)
    small, large = (dict.fromkeys(law.inputs, scale) for scale in (10.0, 1e4))
    assert law.predict(params, **large) < law.predict(params, **small)
    assert re.search(r"\b20[12]\d\b|textbook", law.source)
