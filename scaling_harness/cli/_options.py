"""Options that several verbs share, and functions that parse and compose a command line."""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from scaling_harness.record.store import Store
    from sweeps.planning.manifest import Manifest

COUNTS, DEFAULT_COUNT = ("non_embedding", "with_head", "total"), "with_head"
_RUNS_DIR = "runtime.runs_dir="


class Parser(argparse.ArgumentParser):
    """Parser that reports an error in one sentence and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see `{self.prog} --help`\n")


class Version(argparse.Action):
    """Print the versions of the package, of the code that decides numbers, and of torch."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from scaling_harness.record.provenance import provenance

        here, name = provenance(), "scaling-harness"
        changed = " (changed since it was installed)" if here["dirty"] and here["commit"] is None else ""
        print(f"{name} {here['versions'][name]}, code {here['code']}{changed}, torch {here['versions']['torch']}")
        parser.exit(0)


def flops(text: str) -> float:
    """A budget in FLOP, from a number or from one with PF-days after it."""
    from analysis.laws.published import PF_DAY

    number = re.sub(r"\s*(PF-?days?|PFd)$", "", text.strip(), flags=re.IGNORECASE)
    try:
        return float(number) * (PF_DAY if number != text.strip() else 1.0)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no budget: write FLOP, as in 1e18, or 12PF-days") from error


def add_verbs(parser: argparse.ArgumentParser, modules: Mapping[str, str], level: str) -> None:
    """Add the verbs of a table to a parser, each with the options of its module; the chosen name is `args.<level>`."""
    children = parser.add_subparsers(dest=level, required=True, metavar=level.upper())
    for name, path in modules.items():
        module = importlib.import_module(path)
        child = children.add_parser(name, help=module.HELP, description=module.HELP)
        child.set_defaults(parser=child)
        module.add_options(child)


def parse(root: Parser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line with overrides and names before and after options, which argparse alone cannot."""
    args, rest = root.parse_known_args(arguments)
    if rest and ("more" not in args or any(word.startswith("-") for word in rest)):
        hint = " (give the folder of runs with --runs-dir)" if rest[0].startswith(_RUNS_DIR) else ""
        args.parser.error(f"unrecognised arguments: {' '.join(rest)}{hint}")
    if rest:
        getattr(args, args.more).extend(rest)
    return args


def add_words(parser: argparse.ArgumentParser, name: str, **options: Any) -> None:
    """Add any number of words as `args.<name>`, also after options."""
    parser.add_argument(name, nargs="*", **options)
    parser.set_defaults(more=name)


def add_overrides(parser: argparse.ArgumentParser, before: str = "") -> None:
    """Add the overrides and the folder that a configuration is composed from; ``before`` says what may precede them."""
    add_words(
        parser,
        "overrides",
        metavar="[PAPER] KEY=VALUE" if before else "KEY=VALUE",
        help=f"{before}Hydra overrides, such as model.d_model=64 runtime.workers=1",
    )
    parser.add_argument(
        "--config-dir",
        type=Path,
        metavar="DIR",
        help="folder of further configuration groups, such as your own sweep/NAME.yaml",
    )


def add_runs_dir(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the runs, for a verb that composes no configuration."""
    parser.add_argument(
        "--runs-dir", type=Path, default=Path("runs"), metavar="DIR", help="folder of sweeps (default: %(default)s)"
    )


def add_composed_runs_dir(parser: "argparse._ActionsContainer") -> None:
    """Add the folder of the runs, for a verb that composes a configuration, as `runtime.runs_dir`."""
    parser.add_argument("--runs-dir", metavar="DIR", help="folder of runs (default: runtime.runs_dir, which is runs)")


def add_sweep_name(parser: argparse.ArgumentParser) -> None:
    """Add the name of a sweep to compose."""
    parser.add_argument("name", metavar="NAME", help="name of a file in conf/sweep, without .yaml")


def add_planned_sweep(parser: argparse.ArgumentParser) -> None:
    """Add a sweep to compose and plan; see `planned`."""
    add_sweep_name(parser)
    add_overrides(parser)
    add_composed_runs_dir(parser)
    add_tuned(parser)


def add_started_sweep(parser: argparse.ArgumentParser) -> None:
    """Add the name and the folder of a sweep that was started."""
    parser.add_argument("name", metavar="NAME", help="name of a sweep that was started")
    add_runs_dir(parser)


def add_runs(parser: argparse.ArgumentParser, what: str = "a sweep (name or folder) or an archive of one") -> None:
    """Add the runs to read, by name or path."""
    parser.add_argument("runs", metavar="RUNS", help=what)
    add_runs_dir(parser)


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the meaning of a table's columns."""
    parser.add_argument(
        "--columns",
        metavar="N=...,D=...,loss=...",
        help="columns of a table, also run, seed, state, lr; N=size*1e6 brings one to its unit, loss=log(perplexity), "
        'a name with a comma in double quotes: loss="val, nats"',
    )


def add_best_of(parser: argparse.ArgumentParser) -> None:
    """Add the choice between several settings at one N and D."""
    parser.add_argument(
        "--best-of",
        choices=("loss",),
        help="if several settings were trained at one N and D, keep only the best by its mean over seeds",
    )


def add_count(parser: "argparse._ActionsContainer") -> None:
    """Add the convention for N."""
    parser.add_argument(
        "--count", default=DEFAULT_COUNT, choices=COUNTS, help="convention for N (default: %(default)s)"
    )


def add_tuned(parser: "argparse._ActionsContainer") -> None:
    """Add the use of tuned settings."""
    parser.add_argument("--tuned", metavar="NAME", help="use the settings that `tune NAME` found")


def add_mix_versions(parser: argparse.ArgumentParser) -> None:
    """Add the consent to several versions of the code in one sweep."""
    parser.add_argument("--mix-versions", action="store_true", help="continue although the code has changed")


def add_json(parser: "argparse._ActionsContainer") -> None:
    """Add JSON output."""
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout instead of tables")


def find_runs(name: str, runs_dir: Path) -> Path:
    """Find the path of a table or an archive, or of a sweep by name or folder.

    The name of a sweep comes before a file or a folder that is called like it, with a note.
    """
    from scaling_harness.record.archive import PREFIX, locate
    from scaling_harness.record.sweep_listing import SWEEP_FILE

    if name.startswith(PREFIX):
        return locate(name)
    path, sweep = Path(name), runs_dir / name
    if os.sep not in name and (sweep / SWEEP_FILE).exists():
        if path.exists() and not path.samefile(sweep):
            print(f"{name} is the sweep {sweep}; write ./{name} for what has that name here", file=sys.stderr)
        return sweep
    if found := next((each for each in (path, sweep) if each.exists()), None):
        return found
    raise UserError(f"neither {name} nor {sweep} exists; name a sweep, an archive or a table")


def is_runs(source: str) -> bool:
    """Tell whether a source is a sweep, an archive or a table, not a saved fit or published constants."""
    from analysis.fitting.saved_fit import is_saved_fit
    from analysis.forecasting.source import PREFIX

    if source.startswith(PREFIX):
        return False
    path = Path(source)
    return not (path.suffix == ".json" or (path.is_file() and is_saved_fit(path)))


def composed(args: argparse.Namespace, *more: str) -> dict[str, Any]:
    """Compose the configuration that a command line asks for; the user's overrides come last."""
    from scaling_harness.config.compose import compose

    return compose([*more, *args.overrides, *_runs_dir_override(args)], args.config_dir)


def planned(args: argparse.Namespace, name: str, *more: str, trained_here: bool = True) -> "tuple[Manifest, Store]":
    """Plan the sweep of a command line, with `--tuned` settings if given; return it with the store of its runs.

    ``more`` are overrides before the user's; see `plan_sweep` for ``trained_here``.
    """
    from scaling_harness.record.store import Store
    from sweeps.planning.plan_sweep import plan_sweep
    from sweeps.tuning.tuned_settings import tuned_overrides

    document = composed(args, f"sweep={name}", *more)
    if args.tuned:
        settings = tuned_overrides(Path(document["runtime"]["runs_dir"]), args.tuned)
        document = composed(args, f"sweep={name}", *more, *settings)
    with_text = not getattr(args, "without_text", False)
    manifest = plan_sweep(document, with_text=with_text, trained_here=trained_here)
    return manifest, Store(Path(manifest.runtime.runs_dir))


def _runs_dir_override(args: argparse.Namespace) -> list[str]:
    """Give `--runs-dir` as an override of `runtime.runs_dir`."""
    from scaling_harness.config.compose import quoted

    path = getattr(args, "runs_dir", None)
    if path is None:
        return []
    if any(word.startswith(_RUNS_DIR) for word in args.overrides):
        raise UserError(f"--runs-dir {path} and {_RUNS_DIR} are one setting: give only --runs-dir")
    return [_RUNS_DIR + quoted(path)]
