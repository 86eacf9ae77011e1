"""The verb `sweep clean`."""

import json
from argparse import ArgumentParser, Namespace
from collections import Counter

from scaling_harness.cli._options import add_json, add_started_sweep

HELP = "show the files of a sweep that no record needs, and remove them with --yes"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_started_sweep(parser)
    parser.add_argument("--yes", action="store_true", help="remove what is shown")
    add_json(parser)


def run(args: Namespace) -> int:
    """Show what can go, and remove it if told to."""
    from scaling_harness.record.atomic_files import explain_os_errors
    from scaling_harness.record.store import Store
    from sweeps.planning.planned_sweep import read_planned_sweep
    from sweeps.status.clean import leftovers

    store = Store(args.runs_dir)
    sweep_dir = store.sweep_dir(args.name)
    found = leftovers(read_planned_sweep(sweep_dir).jobs, store, sweep_dir)
    n_bytes, counts = Counter[str](), Counter(one.what for one in found)
    for one in found:
        n_bytes[one.what] += one.n_bytes
    if args.yes:
        with explain_os_errors(sweep_dir):
            for one in found:
                one.path.unlink(missing_ok=True)
    if args.json:
        files = [{**vars(one), "path": str(one.path)} for one in found]
        print(json.dumps({"name": args.name, "removed": args.yes, "files": files}))
        return 0
    for what, number in counts.items():
        print(f"{number} x {what}: {n_bytes[what] / 1e6:,.1f} MB")
    print(_said(args.name, len(found), sum(n_bytes.values()), args.yes))
    return 0


def _said(name: str, n_files: int, n_bytes: int, removed: bool) -> str:
    if not n_files:
        return f"{name}: nothing to remove"
    size = f"{n_files} files, {n_bytes / 1e6:,.1f} MB"
    return f"removed {size}" if removed else f"{size}: `scaling-harness sweep clean {name} --yes` removes them"
