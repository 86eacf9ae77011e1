"""The verb `data list`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from scaling_harness.cli._options import add_json, add_overrides, composed
from scaling_harness.cli._output import print_document, print_rows
from scaling_harness.cli.data._rows import columns, columns_with_left_out, data_rows

HELP = "list tokenised corpora and public tables of runs"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """List the tokenised corpora and the public tables."""
    from scaling_harness.config.compose import run_config
    from scaling_harness.data.token_cache import list_prepared

    config = run_config(composed(args))
    prepared, public = data_rows(list_prepared(Path(config.runtime.data_dir))), _public_tables()
    print_document(args.json, prepared + public, columns(prepared, columns_with_left_out(prepared)))
    if not args.json:
        print_rows(columns(public, ("data_id", "n_rows", "licence", "local", "citation")))
    return 0


def _public_tables() -> list[dict[str, Any]]:
    """List the public tables, each with the path of a local copy if there is one."""
    from analysis.runs.public_tables import DATASETS, find_local
    from analysis.to_json import to_json

    rows = []
    for dataset in DATASETS.values():
        row = {"data_id": dataset.name, "kind": "public table", **to_json(dataset)}
        rows.append(row | {"local": str(find_local(dataset) or "")})
    return rows
