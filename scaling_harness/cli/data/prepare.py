"""The verb `data prepare`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_json, add_overrides, composed
from scaling_harness.cli._output import print_document
from scaling_harness.cli.data._rows import columns, columns_with_left_out, data_rows

HELP = "tokenise a corpus unless it is in the cache"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Tokenise the corpus of a configuration unless it is in the cache."""
    from scaling_harness.config.compose import run_config
    from scaling_harness.data.prepare import prepare

    config = run_config(composed(args))
    rows = data_rows([prepare(config.data, config.evaluation.extra_sets, Path(config.runtime.data_dir))])
    print_document(args.json, rows, columns(rows, columns_with_left_out(rows)))
    return 0
