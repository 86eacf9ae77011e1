"""The verb `compare`."""

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json, flops
from scaling_harness.cli._output import print_banner, print_rows

if TYPE_CHECKING:
    from analysis.comparing.compare import Difference

HELP = "compare the exponents of fits, and say which may not be compared"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("sources", nargs="*", metavar="FIT", help="files of `fit --out`, or published:NAME")
    parser.add_argument(
        "--params", action="append", default=[], metavar="E=X,A=X,...", help="constants of your own as a source"
    )
    parser.add_argument("--flops", type=flops, metavar="C", help="also compare the compute for equal loss at C")
    parser.add_argument("--common", action="store_true", help="also test common exponents with separate offsets")
    add_json(parser)


def run(args: Namespace) -> int:
    """Print the exponents of fits side by side, with their differences."""
    from analysis.comparing.common_of_fits import common_of_fits
    from analysis.comparing.compare import compare
    from analysis.forecasting.source import from_params, open_source
    from analysis.to_json import to_json

    sources = [open_source(text) for text in args.sources] + [from_params(text) for text in args.params]
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
