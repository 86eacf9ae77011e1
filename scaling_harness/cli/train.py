"""The verb `train`."""

from argparse import ArgumentParser, Namespace

from scaling_harness.cli._options import add_composed_runs_dir, add_overrides, composed
from scaling_harness.errors import UserError

HELP = "train one run"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_overrides(parser)
    add_composed_runs_dir(parser)
    parser.add_argument("--retry", action="store_true", help="try a run again that failed for good")


def run(args: Namespace) -> int:
    """Train one run and print its loss and the path of its record."""
    from scaling_harness.train import config_of_one_run, train_one

    if of_hydra := next((word for word in args.overrides if word.lstrip("+~").startswith(("hydra/", "hydra."))), None):
        raise UserError(
            f"{of_hydra} is a setting of Hydra itself: give it to `python -m scaling_harness.train`, which is a Hydra "
            "application; sweeps/launchers/README.md shows how"
        )
    return train_one(config_of_one_run(composed(args)), args.retry)
