"""The verb `bench truth`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "simulate sweeps of learners of known form: does each interval hold, where the law is right and where it is not?"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--sweeps", type=int, default=2000, metavar="K", help="simulated of each learner (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="keep it as JSON, as analysis/papers/truth/simulated.json"
    )


def run(args: Namespace) -> int:
    """Simulate, print, and keep what was found."""
    from analysis.papers.truth.simulated import scores
    from analysis.papers.truth.tables import kept
    from scaling_harness.errors import UserError
    from scaling_harness.record.atomic_files import write_text

    if args.sweeps < 1:
        raise UserError(f"--sweeps is {args.sweeps}: simulate at least one")
    found = scores(args.sweeps)
    print(found.round(3).to_string(index=False))
    if args.out:
        write_text(args.out, kept(found, args.sweeps))
    return 0
