"""The verb `reproduce`."""

from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path

from scaling_harness.cli._options import (
    add_composed_runs_dir,
    add_mix_versions,
    add_overrides,
    add_tuned,
    composed,
    find_runs,
)
from scaling_harness.cli.sweep.run_sweep import run_sweep
from scaling_harness.errors import UserError

HELP = "run the main experiment, or a paper's (reproduce kaplan2020): sweeps, fits, figures, report"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--tier",
        choices=("mini", "quick", "standard", "paper"),
        default="quick",
        help="its size (default: %(default)s); of a paper quick, standard, or the paper's own",
    )
    parser.add_argument("--figure", metavar="N,...", help="of a paper: which figures (default: all)")
    parser.add_argument(
        "--from-archives",
        action="store_true",
        help="of a paper: read a sweep that sweeps/archive has, and train the others alone",
    )
    add_overrides(parser, "a paper, such as kaplan2020; ")
    add_composed_runs_dir(parser)
    add_tuned(parser)
    add_mix_versions(parser)


def run(args: Namespace) -> int:
    """Run the main experiment, or a paper's: sweeps, fits, figures, report."""
    if args.overrides and "=" not in args.overrides[0] and args.overrides[0].isidentifier():
        return _paper(args, args.overrides.pop(0))
    if args.figure or args.from_archives or args.tier == "paper":
        raise UserError(
            "--figure, --from-archives and --tier paper are of a paper: "
            "`scaling-harness reproduce kaplan2020 --figure 10`"
        )
    code, sweep_dir = run_sweep(args, f"reproduce-{args.tier}")
    return code or _report(sweep_dir)


def _report(sweep_dir: Path) -> int:
    from analysis.report.write import print_headline, write_report

    paths = write_report(sweep_dir)
    print_headline(paths)
    print(f"report: {paths.html}{' (unchanged)' * paths.unchanged}\nsummary: {paths.summary_json}")
    return 0


def _paper(args: Namespace, key: str) -> int:
    """Train the paper's sweeps of a tier, or those of the figures asked for, and write its page."""
    from analysis.papers.page import write_page
    from analysis.papers.registry import paper_named

    paper = paper_named(key)
    if args.from_archives:
        _refuse_changes(args)
    if args.tier not in paper.tiers:
        raise UserError(f"{key} has no tier {args.tier}: there are {', '.join(paper.tiers)}")
    figures = paper.figures_named(args.figure.split(",") if args.figure else ())
    needed = dict.fromkeys(name for figure in figures for name in figure.needs)
    runs_dir = Path(composed(args)["runtime"]["runs_dir"])
    trained: dict[str, Path] = {}
    stands_for = {name: sweep for name, sweep in paper.tiers[args.tier].items() if name in needed}
    for sweep in dict.fromkeys(stands_for.values()):
        archived = _archived(sweep) if args.from_archives else None
        code, trained[sweep] = (0, archived) if archived else run_sweep(args, sweep)
        if code:
            return code
    folders = {name: trained[sweep] for name, sweep in stands_for.items()}
    page = write_page(
        paper, figures, lambda name: folders.get(name) or _trained_before(name, runs_dir), runs_dir / "papers" / key
    )
    print(f"page: {page}")
    return 0


def _refuse_changes(args: Namespace) -> None:
    """Archived runs are as they were trained: settings of a command cannot change them."""
    changes = [each for each in args.overrides if not each.startswith("runtime.")] + ["--tuned"] * bool(args.tuned)
    if changes:
        raise UserError(
            f"--from-archives reads sweeps as they were trained, without {', '.join(changes)}: leave out one of them"
        )


def _trained_before(name: str, runs_dir: Path) -> Path | None:
    """Folder or archive of a sweep that this tier does not train; None if there is none."""
    with suppress(UserError):
        return find_runs(name.replace("/", "-"), runs_dir)
    return _archived(name)


def _archived(name: str) -> Path | None:
    """The archive of a sweep that comes with the code; None if there is none."""
    from scaling_harness.record.archive import PREFIX, locate

    with suppress(UserError):
        return locate(PREFIX + name.replace("/", "-"))
    return None
