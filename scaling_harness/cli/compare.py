"""The verb `compare`."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_columns, add_json, add_runs_dir, find_runs, flops, is_runs
from scaling_harness.cli._output import print_banner, print_rows

if TYPE_CHECKING:
    from analysis.comparing.compare import Difference
    from analysis.forecasting.source import Source

HELP = "compare fits, sweeps and papers: exponents and compute for equal loss, and what may not be compared"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="FIT|RUNS",
        help="files of `fit --out`, published:NAME; or sweeps, archives and tables, which are fitted first",
    )
    parser.add_argument("--law", default="chinchilla", help="the law that runs are fitted by (default: %(default)s)")
    parser.add_argument(
        "--params", action="append", default=[], metavar="E=X,A=X,...", help="constants of your own as a source"
    )
    parser.add_argument("--flops", type=flops, metavar="C", help="also compare the compute for equal loss at C")
    parser.add_argument("--common", action="store_true", help="also test common exponents with separate offsets")
    parser.add_argument("--report", type=Path, metavar="F.html", help="write a page, and what it says as F.json")
    add_columns(parser)
    add_runs_dir(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Print the exponents of fits side by side, with their differences."""
    from analysis.comparing.common_of_fits import common_of_fits
    from analysis.comparing.compare import compare
    from analysis.forecasting.source import from_params
    from analysis.to_json import to_json

    sources = [_source(text, args) for text in args.sources] + [from_params(text) for text in args.params]
    if args.report:
        return _write_page(sources, args)
    comparison = compare(sources, train_flops=args.flops)
    document = to_json(comparison)
    sentences = []
    if args.common:
        common = common_of_fits(sources)
        document["common_exponent"] = to_json(common)
        sentences.append(common.sentence())
    if args.json:
        print(json.dumps(document))
        return 0
    print_banner(comparison.warnings)
    print_rows([{k: v or "" for k, v in row.items()} for row in document["sources"]])
    print_rows([_difference_row(difference) for difference in comparison.differences])
    sentences += [f"note: not compared: {row['what']} of {row['pair']}: {row['reason']}" for row in comparison.refused]
    sentences += [f"note: {warning}" for warning in comparison.warnings]
    for sentence in sentences:
        print(sentence)
    return 0


def _source(text: str, args: Namespace) -> "Source":
    """Open a saved fit or published constants, or fit runs."""
    from analysis.comparing.source_of_runs import source_of_runs
    from analysis.forecasting.source import open_source
    from analysis.laws.registry import law_named

    if not is_runs(text):
        return open_source(text)
    return source_of_runs(find_runs(text, args.runs_dir), text, law_named(args.law), columns=args.columns)


def _write_page(sources: "Sequence[Source]", args: Namespace) -> int:
    """Write the comparison as a page."""
    from analysis.report.comparison import write_comparison

    page = write_comparison(sources, args.report, args.flops)
    paths = {"html": str(page), "json": str(page.with_suffix(".json"))}
    print(json.dumps(paths) if args.json else page)
    return 0


def _difference_row(difference: "Difference") -> dict[str, Any]:
    low, high = difference.estimate.ci95 or (None, None)
    return {
        "quantity": difference.quantity,
        "first": difference.first,
        "second": difference.second,
        "difference": difference.estimate.value,
        "2.5 %": low,
        "97.5 %": high,
        "zero": {None: "?", True: "outside", False: "inside"}[difference.apart],
        "errors": difference.pairing,
    }
