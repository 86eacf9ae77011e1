"""The verb `bench data`."""

from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_json
from scaling_harness.cli._output import print_document

HELP = "measure how fast text is tokenised beside the package tokenizers alone, and in how much memory"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("path", help="a file, folder or glob of .txt, .jsonl or .parquet, as of data=shards")
    parser.add_argument("tokenizer", help="a tokenizer.json")
    parser.add_argument("--rounds", type=int, default=3, metavar="K", help="times of each (default: %(default)s)")
    parser.add_argument("--directory", metavar="DIR", help="folder on the file system to measure")
    add_json(parser)


def run(args: Namespace) -> int:
    """Tokenise some files with both, in turn."""
    from sweeps.bench.data_speed import measure_tokenising, ratio

    found = measure_tokenising(args.path, args.tokenizer, args.rounds, args.directory)
    rows = [vars(row) for row in found]
    print_document(args.json, rows, rows)
    if not args.json:
        print(f"data prepare takes {ratio(found):.2f} times the CPU time of the package alone")
    return 0
