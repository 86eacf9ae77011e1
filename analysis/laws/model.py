"""From a law to the function of internal parameters that the solver minimises."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from analysis.laws.batched_law import OuterPowerSum, PowerSum
from analysis.laws.data_constrained import DataConstrained
from analysis.laws.law import Law


def on_rows(law: Law, inputs: Mapping[str, ArrayLike], centre: Mapping[str, float] | None = None) -> PowerSum:
    """The law as a function of its internal parameters on these rows; centred on them by default."""
    kind = DataConstrained if law.repeats else OuterPowerSum if law.outer else PowerSum
    return kind(law, inputs, centre)
