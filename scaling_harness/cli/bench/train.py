"""The verb `bench train`."""

import json
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from scaling_harness.cli._options import add_json, add_overrides
from scaling_harness.errors import UserError

HELP = "measure how fast this machine trains, compared with a plain loop"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    parser.add_argument("--device", choices=("cuda", "cpu"), help="measure one process on it; without: all cores")
    parser.add_argument(
        "--sizes", metavar="N,...", help="N with head (default: 1e4,3e4,1e5,3e5,1e6; device: 1e5 to 3e8)"
    )
    parser.add_argument("--batches", metavar="B,...", help="tokens per step (default: 256,2048; device: 16384)")
    parser.add_argument("--stack", metavar="R,...", help="runs in lockstep (default: 4; device: 1,4,16,64)")
    parser.add_argument(
        "--rounds", type=int, metavar="K", help="rounds for each size and batch (default: 5; no device)"
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
    return _run_on_device(args) if args.device else _run_on_cores(args)


def _run_on_cores(args: Namespace) -> int:
    from sweeps.bench.training_speed import BATCHES, SIZES, measure_speed
    from sweeps.bench.training_speed_table import as_json, print_speed

    sizes, (stack, *more) = _numbers("--sizes", args.sizes, SIZES), _integers("--stack", args.stack, (4,))
    batches, rounds = _integers("--batches", args.batches, BATCHES), 5 if args.rounds is None else args.rounds
    if more:
        raise UserError(f"--stack is {args.stack!r}: give one number, or --device, which measures several")
    if rounds < 1 or args.seconds <= 0:
        raise UserError(
            f"--rounds is {rounds}, --seconds {args.seconds:g}: give --rounds of at least 1, and --seconds above 0"
        )
    speeds = list(measure_speed(args.overrides, args.config_dir, sizes, batches, stack, rounds, args.seconds))
    print(json.dumps(as_json(speeds))) if args.json else print_speed(speeds)
    return 0


def _run_on_device(args: Namespace) -> int:
    from sweeps.bench.device_speed import BATCH, SIZES, STACKS, DeviceSpeed, measure_on_device
    from sweeps.bench.device_speed_table import print_device_header, print_device_note, print_device_row

    if args.rounds is not None or args.seconds <= 0:
        raise UserError("with --device each program is measured once: leave --rounds out, and give --seconds above 0")
    sizes, batches = _numbers("--sizes", args.sizes, SIZES), _integers("--batches", args.batches, (BATCH,))
    stacks = _integers("--stack", args.stack, STACKS)
    measured = measure_on_device(args.device, args.overrides, args.config_dir, sizes, batches, stacks, args.seconds)
    table, rows = sys.stderr if args.json else sys.stdout, list[DeviceSpeed]()
    try:
        for row in measured:
            if not rows:
                print_device_header(table)
            rows.append(row)
            print_device_row(row, table)
    finally:  # an hour of a GPU that was stopped is kept too
        if rows:
            print_device_note(args.device, rows[0].dtype, table)
        if args.json and rows:
            print(json.dumps([vars(row) for row in rows]))
    return 0


def _integers(option: str, given: str | None, default: Sequence[float]) -> list[int]:
    numbers = _numbers(option, given, default)
    if not all(number.is_integer() for number in map(float, numbers)):
        raise UserError(f"{option} is {given!r}: give whole numbers of at least 1, comma-separated")
    return [int(number) for number in numbers]


def _numbers(option: str, given: str | None, default: Sequence[float]) -> list[float]:
    """Parse comma-separated numbers of at least 1."""
    try:
        numbers = [float(word) for word in given.split(",")] if given else list(default)
    except ValueError:
        numbers = []
    if not numbers or not all(1 <= number < math.inf for number in numbers):
        raise UserError(f"{option} is {given!r}: give numbers of at least 1, comma-separated")
    return numbers
