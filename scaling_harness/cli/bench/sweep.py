"""The verb `bench sweep`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json
from scaling_harness.cli._output import print_document

HELP = "measure what a sweep costs besides training, with runs that train nothing"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--runs", type=int, default=10_000, metavar="K", help="runs to plan (default: %(default)s)")
    parser.add_argument("--drained", type=int, default=1000, metavar="K", help="runs to execute (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=16, metavar="K", help="worker processes (default: %(default)s)")
    parser.add_argument("--directory", metavar="DIR", help="folder on the file system to measure")
    add_json(parser)


def run(args: Namespace) -> int:
    """Measure planning, status, table, report, claiming and executing on this machine."""
    from tempfile import TemporaryDirectory

    from sweeps.bench.sweep_overhead import measure_overhead

    with TemporaryDirectory(dir=args.directory) as directory:
        rows = [vars(row) for row in measure_overhead(Path(directory), args.runs, args.drained, args.workers)]
    print_document(args.json, rows, rows)
    return 0
