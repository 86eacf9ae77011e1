"""Estimate what a planned sweep will cost, without the runs that are finished."""

from typing import Any

from scaling_harness.record.store import Store
from sweeps.planning.disk import most_bytes
from sweeps.planning.manifest import Manifest
from sweeps.planning.plan_table import plan_rows, plan_totals
from sweeps.status.run_status import states


def planned_cost(
    manifest: Manifest, store: Store, flops_per_s: float | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Describe every planned run with its state, and sum them; see `plan_rows` and `plan_totals`."""
    n_processes, at_once = manifest.launcher.gpus_per_run, manifest.launcher.runs_at_once(manifest.runtime)
    rows = plan_rows(manifest.jobs, states(manifest.jobs, store), n_processes, flops_per_s)
    return rows, plan_totals(rows, at_once) | {"most_disk_bytes": most_bytes(manifest.jobs, at_once)}
