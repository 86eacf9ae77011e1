"""The verb `data get`."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json, add_words
from scaling_harness.errors import UserError

HELP = "find or download public tables of runs"
_SHOWN = ("path", "how", "licence", "citation", "columns", "note")


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_words(parser, "names", metavar="NAME", help="name of a public table in `data list`")
    parser.add_argument(
        "--to", type=Path, default="published", metavar="DIR", help="folder for downloads (default: %(default)s)"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Find or download public tables, and print how to fit them."""
    from analysis.runs.public_tables import DATASETS, get
    from analysis.to_json import to_json

    if not args.names:
        raise UserError(f"name a public table: {', '.join(DATASETS)}")
    rows = []
    for name in args.names:
        path, how = get(name, args.to)
        rows.append({"name": name, "path": str(path), "how": how, **to_json(DATASETS[name])})
    if args.json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        print("\n".join(f"{key}: {row[key]}" for key in _SHOWN if row[key]))
    return 0
