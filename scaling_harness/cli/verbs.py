"""What each verb of the console command does. Every import that costs time stands inside the verb that needs it."""

import dataclasses
import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling_harness.errors import UserError
from scaling_harness.text_table import print_columns


def data(options: Namespace) -> int:
    """Tokenise a corpus once, list what is there, or fetch a public table of runs."""
    from scaling_harness.cli.verbs_analysis import get_tables, public_tables

    if options.action == "get":
        return get_tables(options)
    from scaling_harness.config.compose import run_config
    from scaling_harness.data.token_cache import list_prepared, prepare

    config = run_config(composed(options))
    data_dir = Path(config.runtime.data_dir)
    if options.action == "prepare":
        infos = [prepare(config.data, config.evaluation.extra_sets, data_dir)]
    else:
        infos = list_prepared(data_dir)
    rows = [json.loads(json.dumps(dataclasses.asdict(info), default=str)) for info in infos]
    columns = ("data_id", "vocab_size", "n_documents", "n_train_tokens", "n_valid_tokens", "bytes_per_token")
    public = public_tables() if options.action == "list" else []
    print_rows(options, rows + public, [{key: row[key] for key in columns} for row in rows])
    if public and not options.json:
        shown = ("data_id", "n_rows", "licence", "local", "citation")
        print_rows(options, public, [{key: row[key] for key in shown} for row in public])
    return 0


def train(options: Namespace) -> int:
    """Train one run and print where its record is."""
    from scaling_harness.config.compose import run_config
    from scaling_harness.train import train_one

    return train_one(run_config(composed(options)))


def table(options: Namespace) -> int:
    """Print every run as one tidy row."""
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Selection

    runs = load_runs(find_runs(options), Selection(options.count, keep_recipes=True))
    say_dropped(runs.dropped)
    if options.csv:
        from scaling_harness.record.atomic_files import write_text

        write_text(Path(options.csv), runs.frame.to_csv(index=False))
    rows = json.loads(str(runs.frame.to_json(orient="records")))
    short = [c for c in ("run_id", "status", "N", "D", "C", "L", "seed", "wall_s") if c in runs.frame]
    print_rows(options, rows, [{key: row[key] for key in short} for row in rows])
    return 0


def report(options: Namespace) -> int:
    """Draw the figures and write the report."""
    from analysis.report.write import write_report

    paths = write_report(find_runs(options), count=options.count)
    if paths.unchanged:
        print("nothing changed since this report was written; delete it to have it drawn again", file=sys.stderr)
    print(json.dumps({"html": str(paths.html), "summary": str(paths.summary_json)}) if options.json else paths.html)
    return 0


def composed(options: Namespace, *more: str) -> dict[str, Any]:
    """Compose the configuration that a command line asks for."""
    from scaling_harness.config.compose import compose

    return compose([*more, *options.overrides], Path(options.config_dir) if options.config_dir else None)


def find_runs(options: Namespace) -> Path:
    """Path of a table, or of a sweep by name or folder."""
    for path in (Path(options.runs), Path(options.runs_dir) / options.runs):
        if path.exists():
            return path
    raise UserError(f"neither {options.runs} nor {options.runs_dir}/{options.runs} exists; name a sweep or a table")


def say_dropped(dropped: Sequence[Mapping[str, str]]) -> None:
    """Name every run left out on stderr."""
    for row in dropped:
        print(f"left out: {row['run']}: {row['reason']}", file=sys.stderr)


def print_rows(options: Namespace, document: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """The document as JSON, or the rows as a table."""
    if options.json:
        print(json.dumps(document))
        return
    print_columns(tuple(rows[0]) if rows else (), [[_cell(value) for value in row.values()] for row in rows])


def _cell(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value or "")
