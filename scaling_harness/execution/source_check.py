"""Check that all seeds of one cell are trained by one version of a user's own architecture."""

import contextlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.plan.plan import Plan
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store

_RUN_ID = re.compile(r"(.+)-s\d+-[0-9a-f]{8}")
"""Name without its seed, as in `Plan.run_id`."""


def check_source(runs: Iterable[Plan], store: Store, mix: bool) -> str | None:
    """Check that a user's own architecture has not changed since it trained these runs or other seeds of their cells.

    Parameters
    ----------
    runs : iterable of Plan
        Runs to be trained, or finished ones.
    store : Store
        Its records say which code trained a run; records of earlier versions do not, and are not checked.
    mix : bool
        Whether the user accepts several versions: `runtime.mix_versions`.

    Returns
    -------
    str or None
        A sentence that says what changed, if the user accepted it; None if nothing did.

    Raises
    ------
    UserError
        The code changed, and the user has not accepted it.
    """
    others = [(run, record) for run, record in _other_seeds(runs, store) if _differ(run, record)]
    if not others:
        return None
    run, record = others[0]
    changed = (
        f"the code of {run.config.model.target} changed since {record.run_id} was trained, from "
        f"{(record.architecture_source or '')[:8]} to {(run.architecture_source or '')[:8]}"
    )
    if mix:
        return changed
    raise UserError(
        f"{changed}, so {run.run_id} would be compared with runs of other code: restore that code, use another "
        "runtime.runs_dir, or accept both with runtime.mix_versions=true (of a sweep: --mix-versions)"
    )


def _other_seeds(runs: Iterable[Plan], store: Store) -> Iterator[tuple[Plan, RunRecord]]:
    """Pair each run of a user's own architecture with every record of its cell, including its own."""
    own = [run for run in runs if run.architecture_source]
    folders = _folders_by_cell(store) if own else {}
    records: dict[str, RunRecord] = {}
    for run in own:
        for run_id in folders.get(run.name.rpartition("-s")[0], ()):
            if run_id not in records and store.is_finished(run_id):
                with contextlib.suppress(HarnessError):  # a damaged record is for its own readers to report
                    records[run_id] = store.read(run_id)
            if run_id in records and _cell(records[run_id].config) == _cell(run.science):
                yield run, records[run_id]


def _folders_by_cell(store: Store) -> Mapping[str, list[str]]:
    folders: defaultdict[str, list[str]] = defaultdict(list)
    root = store.run_dir("x").parent
    for run_id in sorted(os.listdir(root)) if root.exists() else ():
        if match := _RUN_ID.fullmatch(run_id):
            folders[match[1]].append(run_id)
    return folders


def _cell(science: Mapping[str, Any]) -> str:
    return json.dumps({**science, "seed": None}, sort_keys=True)


def _differ(run: Plan, record: RunRecord) -> bool:
    """Whether a record's loss came from other code; a failed run has no loss, and its code may have been fixed."""
    return record.status != "failed" and record.architecture_source not in (None, run.architecture_source)
