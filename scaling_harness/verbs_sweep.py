"""The verbs `sweep` and `reproduce`. Every import that costs time stands inside the verb that needs it."""

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.verbs import composed, print_rows

if TYPE_CHECKING:
    from scaling_harness.store import Store
    from sweeps.manifest import Manifest


def sweep(options: Namespace) -> int:
    """Plan, run, extend or look at a sweep."""
    return {"plan": _plan, "run": _run, "extend": _extend, "status": _status}[options.action](options)


def reproduce(options: Namespace) -> int:
    """Run the main job: the tier's sweep, fits, figures, report."""
    options.name = f"reproduce-{options.tier}"
    code = _run(options)
    return code or _report_reproduction(Path(_manifest(options).runtime.runs_dir) / options.name)


def _report_reproduction(sweep_dir: Path) -> int:
    from analysis.report import print_headline, write_report

    paths = write_report(sweep_dir)
    print_headline(paths)
    print(f"report: {paths.html}\nsummary: {paths.summary_json}")
    return 0


def _plan(options: Namespace) -> int:
    from scaling_harness.store import Store
    from sweeps.status import states
    from sweeps.table import plan_rows, plan_totals, print_plan

    manifest = _manifest(options)
    store = Store(Path(manifest.runtime.runs_dir))
    rows = plan_rows(manifest.jobs, states(manifest.jobs, store))
    totals = plan_totals(rows, manifest.runtime)
    if options.json:
        print(json.dumps({"name": manifest.name, "question": manifest.question, "totals": totals, "runs": rows}))
    else:
        print(manifest.question)
        print_plan(rows, totals)
    return 0


def _run(options: Namespace) -> int:
    from scaling_harness.store import Store
    from sweeps.manifest import MANIFEST_FILE, read_manifest, write_manifest

    manifest = _manifest(options)
    sweep_dir = Store(Path(manifest.runtime.runs_dir)).sweep_dir(manifest.name)
    if (sweep_dir / MANIFEST_FILE).exists():
        known = read_manifest(sweep_dir)
        new = {run.fingerprint for run in manifest.runs} - {run.fingerprint for run in known.runs}
        if new:
            raise UserError(
                f"{len(new)} of these {len(manifest.runs)} runs are not in the sweep {manifest.name} as it was "
                "started; add them with `scaling-harness sweep extend`, or start another one with sweep.name=NAME"
            )
        manifest = dataclasses.replace(manifest, jobs=known.jobs)
    _check_launcher(manifest)
    write_manifest(sweep_dir, manifest)
    return _launch(manifest)


def _extend(options: Namespace) -> int:
    from scaling_harness.store import Store
    from sweeps.manifest import merge, read_manifest, write_manifest

    added = _manifest(options)
    sweep_dir = Store(Path(added.runtime.runs_dir)).sweep_dir(added.name)
    known = read_manifest(sweep_dir)
    manifest = dataclasses.replace(added, jobs=merge(known.jobs, added.jobs))
    write_manifest(sweep_dir, manifest)
    count = len(manifest.runs) - len(known.runs)
    rows = [{"name": manifest.name, "n_added": count, "n_runs": len(manifest.runs)}]
    print_rows(options, rows, rows)
    return 0


def _status(options: Namespace) -> int:
    from scaling_harness.compose import run_config
    from scaling_harness.store import Store
    from sweeps.manifest import read_listing
    from sweeps.status import status

    runtime = run_config(composed(options)).runtime
    store = Store(Path(runtime.runs_dir))
    rows = [vars(row) for row in status(read_listing(store.sweep_dir(options.name)), store)]
    print_rows(options, rows, rows)
    return 0


def _manifest(options: Namespace) -> "Manifest":
    from scaling_harness.compose import launcher_config, run_config, sweep_config
    from sweeps.expand import expand
    from sweeps.manifest import Manifest

    document = composed(options, f"sweep={options.name}")
    config, described = run_config(document), sweep_config(document)
    return Manifest(
        name=described.name,
        question=described.question,
        hold_out=described.hold_out,
        runtime=config.runtime,
        wandb=config.wandb,
        jobs=expand(document),
        launcher=launcher_config(document),
    )


def _check_launcher(manifest: "Manifest") -> None:
    if manifest.launcher.kind == "slurm":
        from sweeps.submissions import check

        check(manifest.launcher)


def _launch(manifest: "Manifest") -> int:
    from scaling_harness.store import Store

    store = Store(Path(manifest.runtime.runs_dir))
    if manifest.launcher.kind == "local":
        return _train_here(manifest, store)
    from sweeps.submissions import submit

    print(submit(manifest, manifest.launcher, store))
    return 0


def _train_here(manifest: "Manifest", store: "Store") -> int:
    from scaling_harness.wandb_mirror import mirror
    from sweeps.pool import run_sweep

    summary = run_sweep(manifest, store, manifest.runtime)
    if summary.interrupted:
        return 130
    mirror((run.run_id for run in manifest.runs), store, manifest.wandb, manifest.name)
    if summary.n_failed:
        raise HarnessError(f"{summary.n_failed} runs failed; `scaling-harness sweep status {manifest.name}` says why")
    return 0
