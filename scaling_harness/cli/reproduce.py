"""The verb `reproduce`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from scaling_harness.cli._options import add_composed_runs_dir, add_mix_versions, add_overrides, add_tuned
from scaling_harness.cli.sweep.run_sweep import run_sweep

HELP = "run the main experiment: sweep, fits, figures, report"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--tier", choices=("mini", "quick", "standard"), default="quick", help="its size (default: %(default)s)"
    )
    add_overrides(parser)
    add_composed_runs_dir(parser)
    add_tuned(parser)
    add_mix_versions(parser)


def run(args: Namespace) -> int:
    """Run the main experiment: the tier's sweep, fits, figures, report."""
    code, sweep_dir = run_sweep(args, f"reproduce-{args.tier}")
    return code or _report(sweep_dir)


def _report(sweep_dir: Path) -> int:
    from analysis.report.write import print_headline, write_report

    paths = write_report(sweep_dir)
    print_headline(paths)
    print(f"report: {paths.html}{' (unchanged)' * paths.unchanged}\nsummary: {paths.summary_json}")
    return 0
