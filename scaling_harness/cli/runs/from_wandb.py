"""The action `runs from-wandb`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json
from scaling_harness.cli._output import print_document

HELP = "bring offline runs of wandb, of any program, to a table for `fit`"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder with .wandb files, such as runs/wandb")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="F.jsonl", help="table to write, one run a line"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Write a table of runs with their config and summary."""
    import json

    from scaling_harness.errors import UserError
    from scaling_harness.record.atomic_files import write_text
    from scaling_harness.wandb_mirror.offline_files import read_offline_runs

    if args.out.suffix != ".jsonl":
        raise UserError(f"{args.out}: the table has one run a line, so name it {args.out.with_suffix('.jsonl')}")
    runs = read_offline_runs(args.folder)
    write_text(args.out, "".join(json.dumps(run) + "\n" for run in runs))
    rows = [{"runs": len(runs), "finished": sum(run["state"] == "finished" for run in runs), "path": str(args.out)}]
    print_document(args.json, rows, rows)
    return 0
