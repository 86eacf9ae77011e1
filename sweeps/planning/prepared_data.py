"""The tokenised data of a sweep as listed in its manifest: workers only open it, they never fetch or tokenise."""

import socket
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from scaling_harness.config.schema import RunConfig
from scaling_harness.data.source_info import PreparedData
from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Plan
from sweeps.planning.expand import DataKey, data_key

_INFO = TypeAdapter[PreparedData](Annotated[PreparedData, Field(union_mode="left_to_right")])


def data_documents(runs: Iterable[Plan]) -> list[dict[str, Any]]:
    """Describe every data set of a sweep, with the first run that reads it."""
    first: dict[DataKey, Plan] = {}
    for run in runs:
        first.setdefault(data_key(run.config), run)
    return [{"run_id": run.run_id, "info": _INFO.dump_python(run.data, mode="json")} for run in first.values()]


def prepared_data(
    documents: Iterable[Mapping[str, Any]], configs: Mapping[str, RunConfig]
) -> dict[DataKey, PreparedData]:
    """Read what `data_documents` wrote.

    Parameters
    ----------
    documents : iterable of mapping
        One per data set.
    configs : mapping of str to RunConfig
        The runs of the sweep by run_id.

    Returns
    -------
    dict
        Data sets by `data_key`.

    Raises
    ------
    UserError
        A file of tokens is not on this machine.
    """
    prepared = {data_key(configs[row["run_id"]]): _INFO.validate_python(row["info"]) for row in documents}
    for info in prepared.values():
        for path in info.files:
            if not path.exists():
                raise UserError(
                    f"{path} does not exist on {socket.gethostname()}: run `scaling-harness data prepare` on a machine "
                    "with a network, with a runtime.data_dir that all nodes share"
                )
    return prepared
