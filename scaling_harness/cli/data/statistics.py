"""The verb `data statistics`."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from scaling_harness.cli._options import add_json, add_overrides, composed
from scaling_harness.cli._output import print_rows
from scaling_harness.errors import HarnessError

if TYPE_CHECKING:
    from analysis.forecasting.data_exponent import Prediction

HELP = "count entropies and correlations of tokens; predict how the loss falls with data (Cagnetta et al. 2026)"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    parser.add_argument(
        "--tokens", type=int, default=4_000_000, metavar="N", help="tokens to count (default: %(default)s)"
    )
    parser.add_argument(
        "--longest", type=int, default=6, metavar="N", help="longest context of an entropy (default: %(default)s)"
    )
    parser.add_argument(
        "--context", type=int, default=256, metavar="N", help="length of a sequence (default: %(default)s)"
    )
    parser.add_argument("--counted", action="store_true", help="count also where the law of the tokens is known")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the statistics as JSON")
    add_json(parser)


def run(args: Namespace) -> int:
    """Measure the statistics of the data of a configuration, and predict the exponent from them."""
    import dataclasses

    from analysis.forecasting.data_exponent import predict
    from analysis.to_json import to_json
    from scaling_harness.config.compose import run_config
    from scaling_harness.data.prepare import prepare
    from scaling_harness.data.statistics import measure
    from scaling_harness.record.corpus_statistics import write_statistics

    config = run_config(composed(args))
    found = measure(
        config.data,
        prepare(config.data, (), Path(config.runtime.data_dir)),
        n_tokens=args.tokens,
        longest=args.longest,
        context=args.context,
        counted=args.counted,
    )
    if args.out:
        write_statistics(args.out, found)
    try:
        predicted: Prediction | str = predict(found)
    except HarnessError as error:
        predicted = str(error)
    if args.json:
        print(json.dumps({"statistics": dataclasses.asdict(found), "prediction": to_json(predicted)}))
        return 0
    print_rows([dataclasses.asdict(each) for each in found.entropies])
    print_rows([dataclasses.asdict(each) for each in found.correlations])
    print(predicted if isinstance(predicted, str) else predicted.sentence())
    return 0
