"""Estimate what a planned sweep will cost, without the runs that are finished."""

from typing import Any

from scaling_harness.record.store import Store
from sweeps.planning.manifest import Manifest
from sweeps.planning.plan_table import plan_rows, plan_totals
from sweeps.status.run_status import states


def planned_cost(manifest: Manifest, store: Store) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Describe every planned run with its state, and sum them; see `plan_rows` and `plan_totals`."""
    n_processes = manifest.launcher.gpus_per_run
    rows = plan_rows(manifest.jobs, states(manifest.jobs, store), n_processes)
    return rows, plan_totals(rows, manifest.launcher.runs_at_once(manifest.runtime))
