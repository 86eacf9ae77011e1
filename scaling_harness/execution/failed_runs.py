"""Give a run that failed for good another chance: if the user says so, or if what it failed under has changed."""

from collections.abc import Iterator

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.plan.plan import Plan
from scaling_harness.record.atomic_files import explain_os_errors
from scaling_harness.record.provenance import provenance
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store

_PLACES = ("runs_dir", "data_dir")
"""Fields of the runtime that decide nothing of how a run is trained."""


def set_aside(run_id: str, store: Store) -> None:
    """Rename the record of a failed run, which resets the count of its attempts.

    Raises
    ------
    UserError
        The store cannot be written.
    """
    path = store.record_path(run_id)
    number = 1 + len(list(path.parent.glob(f"{path.stem}-failed-*.json")))
    with explain_os_errors(path):
        path.rename(path.with_name(f"{path.stem}-failed-{number}.json"))


def changes_since(record: RunRecord, plan: Plan, runtime: RuntimeConfig) -> Iterator[str]:
    """Say what of a failed run's circumstances is not as it was.

    Parameters
    ----------
    record : RunRecord
        Of the failed run.
    plan : Plan
        The same run as it is planned now.
    runtime : RuntimeConfig
        Where and how it would be trained now.

    Yields
    ------
    str
        One change: a field of the runtime, the architecture's code, a version, or the commit of the harness.
    """
    for name, value in vars(runtime).items():
        if name not in _PLACES and record.runtime.get(name, value) != value:
            yield f"runtime.{name} was {record.runtime[name]} and is {value}"
    if record.architecture_source != plan.architecture_source:
        yield f"the code of {plan.config.model.target} has changed"
    before, here = record.provenance, provenance()
    for name, version in here["versions"].items():
        if before.get("versions", {}).get(name, version) != version:
            yield f"{name} was {before['versions'][name]} and is {version}"
    if any(before.get(name, here[name]) != here[name] for name in ("code", "commit", "dirty")):
        yield "the code of the harness has changed"
