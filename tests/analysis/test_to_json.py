import dataclasses
import json

import numpy as np
import pandas as pd

from analysis.fitting.estimate import Estimate
from analysis.to_json import document, to_json


@dataclasses.dataclass(frozen=True)
class Inner:
    values: np.ndarray


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner
    table: pd.DataFrame
    hidden: str = "not said"


@document.register
def _(outer: Outer):
    return {"inner": outer.inner, "rows": outer.table, "n": np.int64(len(outer.table))}


def test_dataclasses_are_their_fields_or_what_their_module_registers():
    outer = Outer(Inner(np.array([1.0, np.inf])), pd.DataFrame({"x": [np.nan, 2.0]}))
    expected = {"inner": {"values": [1.0, None]}, "rows": [{"x": None}, {"x": 2.0}], "n": 2}
    assert to_json({"outer": (outer,)}) == {"outer": [expected]}
    json.dumps(to_json(outer), allow_nan=False)


def test_an_interval_without_an_upper_end_has_none_there():
    assert to_json(Estimate(1.0, None, (0.5, np.inf))) == {"value": 1.0, "stderr": None, "ci95": [0.5, None]}
