"""The verbs `sweep` and `reproduce`. Every import that costs time stands inside the verb that needs it."""

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli.verbs import composed, print_rows
from scaling_harness.cli.verbs_tune import keep_effort, tuned_overrides
from scaling_harness.errors import HarnessError, UserError

if TYPE_CHECKING:
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import Manifest
    from sweeps.timing.probe import Probe


def sweep(options: Namespace) -> int:
    """Plan, run, extend, look at, retry, cancel, mirror or probe a sweep."""
    return _ACTIONS[options.action](options)


def reproduce(options: Namespace) -> int:
    """Run the main job: the tier's sweep, fits, figures, report."""
    options.name = f"reproduce-{options.tier}"
    code = _run(options)
    return code or _report_reproduction(Path(planned(options).runtime.runs_dir) / options.name)


def _report_reproduction(sweep_dir: Path) -> int:
    from analysis.report.write import print_headline, write_report

    paths = write_report(sweep_dir)
    print_headline(paths)
    print(f"report: {paths.html}{' (unchanged)' * paths.unchanged}\nsummary: {paths.summary_json}")
    return 0


def _plan(options: Namespace) -> int:
    from scaling_harness.record.store import Store
    from sweeps.planning.plan_table import print_plan

    manifest = planned(options)
    rows, totals = _cost(manifest, Store(Path(manifest.runtime.runs_dir)))
    if options.json:
        print(json.dumps({"name": manifest.name, "question": manifest.question, "totals": totals, "runs": rows}))
    else:
        print(manifest.question)
        print_plan(rows, totals)
    return 0


def _cost(manifest: "Manifest", store: "Store") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from sweeps.planning.plan_table import plan_rows, plan_totals
    from sweeps.planning.time_estimate import runs_at_once
    from sweeps.status.run_status import states

    rows = plan_rows(manifest.jobs, states(manifest.jobs, store))
    return rows, plan_totals(rows, runs_at_once(manifest.runtime, manifest.launcher))


def _run(options: Namespace) -> int:
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import MANIFEST_FILE, read_manifest

    manifest = planned(options)
    store = Store(Path(manifest.runtime.runs_dir))
    if not (store.sweep_dir(manifest.name) / MANIFEST_FILE).exists():
        keep_effort(options, store.sweep_dir(manifest.name))
        return _launch(manifest, store)
    known = read_manifest(store.sweep_dir(manifest.name))
    new = {run.fingerprint for run in manifest.runs} - {run.fingerprint for run in known.runs}
    if new:
        raise UserError(
            f"{len(new)} of these {len(manifest.runs)} runs are not in the sweep {manifest.name} as it was "
            "started; add them with `scaling-harness sweep extend`, or start another one with sweep.name=NAME"
        )
    _check_version(known, store, options)
    return _launch(dataclasses.replace(manifest, jobs=known.jobs), store)


def _extend(options: Namespace) -> int:
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import merge, read_manifest, write_manifest

    added = planned(options)
    sweep_dir = Store(Path(added.runtime.runs_dir)).sweep_dir(added.name)
    known = read_manifest(sweep_dir)
    # Launcher and version are those of what was launched, which this is not.
    jobs = merge(known.jobs, added.jobs)
    manifest = dataclasses.replace(added, jobs=jobs, launcher=known.launcher, code=known.code)
    write_manifest(sweep_dir, manifest)
    count = len(manifest.runs) - len(known.runs)
    rows = [{"name": manifest.name, "n_added": count, "n_runs": len(manifest.runs)}]
    print_rows(options, rows, rows)
    return 0


def _status(options: Namespace) -> int:
    from scaling_harness.record.provenance import now
    from sweeps.planning.manifest import read_listing
    from sweeps.status.overview import print_status, totals, watch
    from sweeps.status.run_status import status

    store = _store(options)
    listing = read_listing(store.sweep_dir(options.name))
    if options.watch:
        watch(listing, store)
        return 0
    rows = status(listing.jobs, store)
    if options.json:
        sums = totals(listing, rows, now())
        print(json.dumps({"name": listing.name, "totals": sums, "runs": [vars(row) for row in rows]}))
    else:
        print_status(listing, rows)
    return 0


def _logs(options: Namespace) -> int:
    from sweeps.planning.manifest import LOGS, read_listing
    from sweeps.status.logs import find_run, log_files, output, print_output
    from sweeps.status.run_status import status

    names = [word for word in options.overrides if "=" not in word]
    options.overrides = [word for word in options.overrides if "=" in word]
    store = _store(options)
    sweep_dir = store.sweep_dir(options.name)
    rows = status(read_listing(sweep_dir).jobs, store)
    found = [output(find_run(rows, name), store) for name in names] or [{"files": log_files(sweep_dir / LOGS)}]
    if options.json:
        print(json.dumps(found if names else found[0]))
    else:
        print_output(found)
    return 0


def _retry(options: Namespace) -> int:
    from sweeps.launchers.retry import free_failed
    from sweeps.launchers.versions import check_version
    from sweeps.planning.manifest import read_manifest
    from sweeps.status.run_status import status

    if not options.failed:
        raise UserError("say what to retry: `scaling-harness sweep retry NAME --failed`")
    store = _store(options)
    manifest = read_manifest(store.sweep_dir(options.name))
    rows = status(manifest.jobs, store)
    to_train = [dataclasses.replace(row, state="waiting") if row.state == "failed" else row for row in rows]
    check_version(manifest.name, manifest.code, to_train, options.mix_versions)
    freed = free_failed(rows, store)
    print(f"{len(freed)} failed runs of {manifest.name} are tried again")
    return _launch(manifest, store) if freed else 0


def _cancel(options: Namespace) -> int:
    from sweeps.launchers.control import cancel
    from sweeps.planning.manifest import read_listing

    store = _store(options)
    print(cancel(read_listing(store.sweep_dir(options.name)), store))
    return 0


def _mirror(options: Namespace) -> int:
    from scaling_harness.config.compose import run_config
    from scaling_harness.config.schema import WandbConfig
    from scaling_harness.record.store import Store
    from scaling_harness.wandb_mirror import mirror
    from sweeps.planning.manifest import read_listing

    config = run_config(composed(options))
    store = Store(Path(config.runtime.runs_dir))
    runs = [run.run_id for job in read_listing(store.sweep_dir(options.name)).jobs for run in job.runs]
    copied = mirror(runs, store, WandbConfig(options.mode, config.wandb.project), options.name)
    rows = [{"name": options.name, "copied": copied, "finished": sum(map(store.is_finished, runs)), "runs": len(runs)}]
    print_rows(options, rows, rows)
    return 0


def _probe(options: Namespace) -> int:
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import devices
    from sweeps.planning.time_estimate import runs_at_once
    from sweeps.timing import cost
    from sweeps.timing.probe import PROBE_FILE, kept

    manifest = planned(options)
    store = Store(Path(manifest.runtime.runs_dir))
    sweep_dir = store.sweep_dir(manifest.name)
    if options.again:
        (sweep_dir / PROBE_FILE).unlink(missing_ok=True)
    probe = kept(sweep_dir) or _take_probe(manifest, store)
    finished = cost.settle(sweep_dir, manifest.jobs, store)
    left = cost.without_finished(manifest.jobs, store)
    at_once = runs_at_once(manifest.runtime, manifest.launcher)
    found = cost.forecast(left, probe.speed, at_once, devices(manifest.runtime, manifest.launcher))
    if options.json:
        document = {**found, "finished": finished and {**vars(finished), "error": finished.error}}
        print(json.dumps({"name": manifest.name, "probe": dataclasses.asdict(probe), **document}))
    else:
        print(cost.sentence(found, probe), *([cost.verdict(finished)] if finished else []), sep="\n")
    return 0


def _take_probe(manifest: "Manifest", store: "Store") -> "Probe":
    """Probe where the sweep would be trained: here, or on a node of the partition."""
    from sweeps.launchers.preflight import check
    from sweeps.launchers.slurm.probe_job import wait_for_probe
    from sweeps.planning.time_estimate import n_workers
    from sweeps.timing.probe import prepare, probe

    check(manifest, store)
    sweep_dir = store.sweep_dir(manifest.name)
    folder = prepare(sweep_dir, manifest)
    if manifest.launcher.kind == "local":
        return probe(folder, n_workers(manifest.runtime))
    return wait_for_probe(folder, manifest.launcher, manifest.runtime.threads)


_ACTIONS = {
    "plan": _plan,
    "run": _run,
    "extend": _extend,
    "status": _status,
    "logs": _logs,
    "retry": _retry,
    "cancel": _cancel,
    "mirror": _mirror,
    "probe": _probe,
}


def _store(options: Namespace) -> "Store":
    from scaling_harness.config.compose import runs_dir
    from scaling_harness.record.store import Store

    return Store(runs_dir(options.overrides, Path(options.config_dir) if options.config_dir else None))


def planned(options: Namespace) -> "Manifest":
    """Plan the sweep that a command line names, nothing written."""
    from scaling_harness.config.compose import run_config
    from sweeps.compose import launcher_config, sweep_config
    from sweeps.planning.expand import expand
    from sweeps.planning.manifest import Manifest

    document = composed(options, f"sweep={options.name}", *tuned_overrides(options))
    config, described = run_config(document), sweep_config(document)
    return Manifest(
        name=described.name,
        question=described.question,
        hold_out=described.hold_out,
        law=described.law,
        aims=described.aims,
        runtime=config.runtime,
        wandb=config.wandb,
        jobs=expand(document),
        launcher=launcher_config(document),
    )


def _check_version(known: "Manifest", store: "Store", options: Namespace) -> None:
    from sweeps.launchers.versions import check_version
    from sweeps.status.run_status import status

    check_version(known.name, known.code, status(known.jobs, store), options.mix_versions)


def _launch(manifest: "Manifest", store: "Store") -> int:
    """Check everything, write the list of runs, and have them trained."""
    from sweeps.launchers.preflight import check, start

    check(manifest, store)
    start(manifest, store)
    if manifest.launcher.kind == "local":
        return train_here(manifest, store)
    from sweeps.launchers.slurm.submit import submit
    from sweeps.planning.plan_table import cost_sentence

    print(cost_sentence(_cost(manifest, store)[1]))
    print(submit(manifest, manifest.launcher, store))
    return 0


def train_here(manifest: "Manifest", store: "Store") -> int:
    """Train what is left of a sweep with the workers of this machine; 0, or 130 where it was interrupted."""
    from scaling_harness.wandb_mirror import mirror
    from sweeps.launchers.local import run_sweep
    from sweeps.timing.cost import settle, verdict

    summary = run_sweep(manifest, store, manifest.runtime)
    if summary.interrupted:
        return 130
    mirror((run.run_id for run in manifest.runs), store, manifest.wandb, manifest.name)
    if finished := settle(store.sweep_dir(manifest.name), manifest.jobs, store):
        print(verdict(finished))
    if summary.n_failed:
        raise HarnessError(f"{summary.n_failed} runs failed; `scaling-harness sweep status {manifest.name}` says why")
    return 0
