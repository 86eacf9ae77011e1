"""The verb `figures`."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_best_of, add_columns, add_count, add_json, add_runs_dir, find_runs
from scaling_harness.cli._output import print_dropped
from scaling_harness.errors import UserError

HELP = "draw figures of runs, one by one, each beside the table of what is drawn"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUNS", nargs="?", help="a sweep, an archive or a table, as for `report`")
    parser.add_argument("--list", action="store_true", help="list the figures, what each needs and what it shows")
    parser.add_argument("--figure", metavar="NAME,...", help="which figures (default: all that the runs feed)")
    parser.add_argument(
        "--format", default="png", metavar="KIND,...", help="png, pdf, svg, comma-separated (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("figures"), metavar="DIR", help="folder to write to (default: %(default)s)"
    )
    add_count(parser)
    add_columns(parser)
    add_best_of(parser)
    add_runs_dir(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Draw figures, or list them."""
    from analysis.report.draw import draw, entries
    from analysis.report.read_sweep import material_of

    wanted = entries(args.figure.split(",") if args.figure else ())
    if args.list:
        _list([{"figure": e.name, "title": e.title, "needs": e.needs, "shows": e.see} for e in wanted], args.json)
        return 0
    if args.runs is None:
        raise UserError(
            "name runs to draw, as in `scaling-harness figures RUNS --figure isoflop`; --list names figures"
        )
    path = find_runs(args.runs, args.runs_dir)
    fitted = any(entry.fitted for entry in wanted)
    material = material_of(path, count=args.count, columns=args.columns, best_of=args.best_of, fitted=fitted)
    print_dropped(material.runs.dropped)
    drawn = draw(material, wanted, args.out, args.format.split(","))
    if args.json:
        print(json.dumps([{"figure": d.name, "files": [str(f) for f in d.files], "reason": d.reason} for d in drawn]))
    for each in drawn:
        if each.reason:
            print(f"{each.name}: {each.reason}", file=sys.stderr)
        elif not args.json:
            print(*each.files, sep="\n")
    return 1 if args.figure and any(each.reason for each in drawn) else 0


def _list(rows: list[dict[str, str]], as_json: bool) -> None:
    """Print the figures: a line each, and below it what it shows."""
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['figure']}: {row['title']}", f"  needs {row['needs']}", f"  shows: {row['shows']}", sep="\n")
