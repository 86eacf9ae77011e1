"""The verb `explore`."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json
from scaling_harness.cli._output import print_banner

HELP = "write one page with sliders: best N and D by published laws and your fits, and a toy of fitting"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "sources", nargs="*", metavar="FIT", help="files of `fit --out`, or published:NAME (default: published laws)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("explorer.html"),
        metavar="FILE",
        help="page to write (default: %(default)s); one file that any browser opens, without a network",
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Write the page, and say where it is."""
    from analysis.explorer.write import write_explorer
    from analysis.forecasting.source import open_source

    fits = [open_source(text) for text in args.sources]
    path = write_explorer(args.out, fits)
    if args.json:
        print(json.dumps({"html": str(path)}))
        return 0
    print_banner(note for fit in fits for note in fit.notes)
    print(path)
    return 0
