"""The verb `figures`."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from scaling_harness.cli._options import (
    DEFAULT_COUNT,
    add_best_of,
    add_columns,
    add_count,
    add_json,
    add_runs_dir,
    find_runs,
)
from scaling_harness.cli._output import print_dropped
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from analysis.report.draw import Drawn

HELP = "draw figures of runs, one by one, each beside the table of what is drawn"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", metavar="RUNS", nargs="?", help="a sweep, an archive or a table, as for `report`")
    parser.add_argument("--paper", metavar="KEY", help="figures of a paper by their numbers, such as kaplan2020")
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
    if args.paper:
        return _of_paper(args)
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
    return _print(draw(material, wanted, args.out, args.format.split(",")), args)


def _print(drawn: "list[Drawn]", args: Namespace) -> int:
    """Say which files were written, and why others were not."""
    if args.json:
        print(json.dumps([{"figure": d.name, "files": [str(f) for f in d.files], "reason": d.reason} for d in drawn]))
    for each in drawn:
        if each.reason:
            print(f"{each.name}: {each.reason}", file=sys.stderr)
        elif not args.json:
            print(*each.files, sep="\n")
    return 1 if args.figure and any(each.reason for each in drawn) else 0


def _of_paper(args: Namespace) -> int:
    """Draw figures of a paper, or list them."""
    from analysis.papers.draw import write_figures
    from analysis.papers.figure import to_train
    from analysis.papers.registry import paper_named
    from analysis.report.draw import Drawn

    if args.columns or args.best_of or args.count != DEFAULT_COUNT:
        raise UserError(
            "--paper takes the records of a sweep as the paper counts them: leave out --columns, --count, --best-of"
        )
    paper = paper_named(args.paper)
    wanted = paper.figures_named(args.figure.split(",") if args.figure else ())
    if args.list:
        rows = [
            {"figure": f.name, "title": f.title, "needs": ", ".join(f.needs + f.public) or "no runs", "shows": f.see}
            for f in wanted
        ]
        _list(rows, args.json)
        return 0
    without = [] if args.runs else [figure for figure in wanted if figure.needs]
    if len(without) == len(wanted):
        raise UserError(f"name runs to draw, as in `scaling-harness figures RUNS --paper {paper.key} --figure 2`")
    evidence = paper.read([find_runs(args.runs, args.runs_dir)] if args.runs else [])
    fed = [figure for figure in wanted if figure not in without]
    drawn = write_figures(paper.key, fed, evidence, args.out, args.format.split(","))
    unfed = [Drawn(figure.name, (), f"it needs runs: name them, from {to_train(figure.needs)}") for figure in without]
    return _print(drawn + unfed, args)


def _list(rows: list[dict[str, str]], as_json: bool) -> None:
    """Print the figures: a line each, and below it what it shows."""
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['figure']}: {row['title']}", f"  needs {row['needs']}", f"  shows: {row['shows']}", sep="\n")
