"""What each verb of the console command does. Every import that costs time stands inside the verb that needs it."""

import dataclasses
import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.errors import HarnessError, UserError

if TYPE_CHECKING:
    from sweeps.manifest import Manifest


def data(options: Namespace) -> int:
    """Tokenise a corpus once, list what is there, or fetch a public table of runs."""
    from scaling_harness.verbs_analysis import get_tables, public_tables

    if options.action == "get":
        return get_tables(options)
    from scaling_harness.compose import run_config
    from scaling_harness.tokens import list_prepared, prepare

    config = run_config(_compose(options))
    data_dir = Path(config.runtime.data_dir)
    if options.action == "prepare":
        infos = [prepare(config.data, config.evaluation.extra_sets, data_dir)]
    else:
        infos = list_prepared(data_dir)
    rows = [json.loads(json.dumps(dataclasses.asdict(info), default=str)) for info in infos]
    columns = ("data_id", "vocab_size", "n_documents", "n_train_tokens", "n_valid_tokens", "bytes_per_token")
    public = public_tables() if options.action == "list" else []
    print_rows(options, rows + public, [{key: row[key] for key in columns} for row in rows])
    if public and not options.json:
        shown = ("data_id", "n_rows", "licence", "local", "citation")
        print_rows(options, public, [{key: row[key] for key in shown} for row in public])
    return 0


def train(options: Namespace) -> int:
    """Train one run and print where its record is."""
    from scaling_harness.compose import run_config
    from scaling_harness.train import train_one

    return train_one(run_config(_compose(options)))


def sweep(options: Namespace) -> int:
    """Plan, run, extend or look at a sweep."""
    return {"plan": _plan, "run": _run, "extend": _extend, "status": _status}[options.action](options)


def table(options: Namespace) -> int:
    """Print every run as one tidy row."""
    from analysis.runs import load_runs

    runs = load_runs(find_runs(options), count=options.count, keep_recipes=True)
    say_dropped(runs.dropped)
    if options.csv:
        from scaling_harness.files import write_text

        write_text(Path(options.csv), runs.frame.to_csv(index=False))
    rows = json.loads(str(runs.frame.to_json(orient="records")))
    short = [c for c in ("run_id", "status", "N", "D", "C", "L", "seed", "wall_s") if c in runs.frame]
    print_rows(options, rows, [{key: row[key] for key in short} for row in rows])
    return 0


def report(options: Namespace) -> int:
    """Draw the figures and write the report."""
    from analysis.report import write_report

    paths = write_report(find_runs(options), count=options.count)
    print(json.dumps({"html": str(paths.html), "summary": str(paths.summary_json)}) if options.json else paths.html)
    return 0


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
    from sweeps.manifest import read_manifest
    from sweeps.status import status

    runtime = run_config(_compose(options)).runtime
    store = Store(Path(runtime.runs_dir))
    manifest = read_manifest(store.sweep_dir(options.name))
    rows = [dataclasses.asdict(row) for row in status(manifest.jobs, store)]
    print_rows(options, rows, rows)
    return 0


def _manifest(options: Namespace) -> "Manifest":
    from scaling_harness.compose import run_config, sweep_config
    from sweeps.expand import expand
    from sweeps.manifest import Manifest

    document = _compose(options, f"sweep={options.name}")
    config, described = run_config(document), sweep_config(document)
    return Manifest(
        name=described.name,
        question=described.question,
        hold_out=described.hold_out,
        runtime=config.runtime,
        wandb=config.wandb,
        jobs=expand(document),
    )


def _launch(manifest: "Manifest") -> int:
    from scaling_harness.store import Store
    from scaling_harness.wandb_mirror import mirror
    from sweeps.pool import run_sweep

    store = Store(Path(manifest.runtime.runs_dir))
    summary = run_sweep(manifest, store, manifest.runtime)
    if summary.interrupted:
        return 130
    mirror((run.run_id for run in manifest.runs), store, manifest.wandb, manifest.name)
    if summary.n_failed:
        raise HarnessError(f"{summary.n_failed} runs failed; `scaling-harness sweep status {manifest.name}` says why")
    return 0


def _compose(options: Namespace, *more: str) -> dict[str, Any]:
    from scaling_harness.compose import compose

    return compose([*more, *options.overrides], Path(options.config_dir) if options.config_dir else None)


def find_runs(options: Namespace) -> Path:
    """Path of a table, or of a sweep by name or folder."""
    for path in (Path(options.runs), Path(options.runs_dir) / options.runs):
        if path.exists():
            return path
    raise UserError(f"neither {options.runs} nor {options.runs_dir}/{options.runs} exists; name a sweep or a table")


def say_dropped(dropped: Sequence[Mapping[str, str]]) -> None:
    """Name every run left out on stderr."""
    for row in dropped:
        print(f"left out: {row['run']}: {row['reason']}", file=sys.stderr)


def print_rows(options: Namespace, document: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """The document as JSON, or the rows as a table."""
    if options.json:
        print(json.dumps(document))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for name in rows[0] if rows else ():
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console = Console()
    (console if console.is_terminal else Console(width=240)).print(table)


def _cell(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value or "")
