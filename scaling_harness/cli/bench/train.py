"""The verb `bench train`."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from scaling_harness.cli._options import add_json, add_overrides
from scaling_harness.errors import UserError

HELP = "measure how fast this machine trains, compared with a plain loop"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    parser.add_argument("--sizes", metavar="N,...", help="N with head (default: 1e4,3e4,1e5,3e5,1e6)")
    parser.add_argument("--batches", metavar="B,...", help="tokens per step (default: 256,2048)")
    parser.add_argument("--stack", type=int, default=4, metavar="R", help="runs in lockstep (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="K", help="rounds for each size and batch (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="time for each program in a round (default: %(default)s)",
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Measure training on this machine."""
    from sweeps.bench.training_speed import BATCHES, SIZES, measure_speed
    from sweeps.bench.training_speed_table import as_json, print_speed

    sizes = _numbers("--sizes", args.sizes, SIZES)
    batches = [int(batch) for batch in _numbers("--batches", args.batches, BATCHES)]
    if args.rounds < 1 or args.seconds <= 0 or args.stack < 1:
        raise UserError(
            f"--rounds is {args.rounds}, --stack {args.stack}, --seconds {args.seconds:g}: give --rounds and --stack "
            "of at least 1, and --seconds above 0"
        )
    speeds = list(measure_speed(args.overrides, args.config_dir, sizes, batches, args.stack, args.rounds, args.seconds))
    print(json.dumps(as_json(speeds))) if args.json else print_speed(speeds)
    return 0


def _numbers(option: str, given: str | None, default: Sequence[float]) -> list[float]:
    """Parse comma-separated numbers of at least 1."""
    try:
        numbers = [float(word) for word in given.split(",")] if given else list(default)
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise UserError(f"{option} is {given!r}: give numbers of at least 1, comma-separated")
    return numbers
