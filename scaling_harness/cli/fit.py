"""The verb `fit`."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli import _law_checks
from scaling_harness.cli._options import add_best_of, add_columns, add_json, add_runs, find_runs
from scaling_harness.cli._output import print_dropped, print_rows
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from analysis.fitting.result import FitResult
    from analysis.runs.selection import Runs

HELP = "fit laws to runs or to a table"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_runs(
        parser, "a sweep (name or folder), an archive (F.runs.zst, archive:NAME), or a CSV, JSONL or Parquet table"
    )
    _add_choice_of_runs(parser)
    _add_choice_of_fit(parser)
    _add_checks(parser)
    parser.add_argument(
        "--out", type=Path, metavar="F", help="save the fit as JSON; several fits get law and count in their file names"
    )
    add_json(parser)


def _add_choice_of_runs(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--count",
        metavar="COUNT",
        help="conventions for N: non_embedding, with_head, total, comma-separated (default: with_head); for a table, "
        "the convention that its N has",
    )
    add_columns(parser)
    add_best_of(parser)
    parser.add_argument("--drop-worst", type=int, default=0, metavar="K", help="leave out the K largest losses")


def _add_choice_of_fit(parser: ArgumentParser) -> None:
    parser.add_argument("--law", default="chinchilla", help="comma-separated laws (default: %(default)s)")
    parser.add_argument("--fix", metavar="E=X,...", help="parameters held at a value, as in E=1.6")
    parser.add_argument("--tie", action="append", default=[], metavar="X=Y", help="two exponents made one: alpha=beta")
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="K", help="bootstrap resamples (default: %(default)s)"
    )
    parser.add_argument(
        "--objective", default="log_huber", choices=("log_huber", "raw_huber", "log_squares", "raw_squares")
    )
    parser.add_argument(
        "--delta",
        type=float,
        default=1e-3,
        metavar="X",
        help="Huber's threshold, in the residual's unit (default: 1e-3)",
    )
    parser.add_argument("--weights", metavar="W", help="a column, or `noise` for one over the variance between seeds")
    parser.add_argument(
        "--clusters", metavar="COLUMN", help="resample runs with equal values together, such as checkpoints of a trunk"
    )
    parser.add_argument(
        "--resample",
        choices=("cases", "residuals", "noise", "sandwich"),
        help="how intervals are made (default: cases for a table or clusters, residuals for a sweep)",
    )
    parser.add_argument("--profiles", action="store_true", help="also profile every parameter, as a cross-check")


def _add_checks(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--influence", type=int, default=0, metavar="K", help="also show the K runs that change the fit most"
    )
    parser.add_argument("--objectives", action="store_true", help="also fit the same runs with every objective")
    parser.add_argument(
        "--approaches",
        action="store_true",
        help="also compare the three approaches, with a verdict; other laws stand beside them",
    )
    _law_checks.add_options(parser)


def run(args: Namespace) -> int:
    """Fit laws to runs or to a table, under one or more counts of N."""
    from analysis.fitting.result import NOT_CONVERGED
    from analysis.to_json import to_json

    if args.influence < 0:
        raise UserError(f"--influence is {args.influence}: give the number of runs to show, 0 or more")
    _law_checks.check_options(args)
    fits = list(_fits(args))
    documents = [
        to_json(result)
        | _fit_checks(result, runs, args.influence, args.objectives)
        | _law_checks.checks_of(result, runs, args)
        for result, runs in fits
    ]
    _add_checks_of_counts(documents, fits, args.approaches)
    results = [result for result, _ in fits]
    if args.out:
        _save(results, args.out)
    if args.json:
        print(json.dumps(documents[0] if len(documents) == 1 else documents))
    else:
        print("\n\n".join(result.summary() for result in results))
        for document in documents:
            _print_checks(document)
            _law_checks.print_checks(document)
    return int(any(result.status == NOT_CONVERGED for result in results))


def _fits(args: Namespace) -> Iterator[tuple["FitResult", "Runs"]]:
    """Fit every law under every count, each described for `compare` and with a forecast of its largest budgets."""
    import dataclasses

    from analysis.fitting.fit import fit
    from analysis.fitting.saved_fit import describe
    from analysis.laws.constrained import constrained
    from analysis.laws.registry import law_named
    from analysis.runs.from_records import is_sweep
    from analysis.runs.reload import reload_runs
    from analysis.validation.fit_checks import check_holdout

    path = find_runs(args.runs, args.runs_dir)
    counts = args.count.split(",") if args.count else ["with_head" if is_sweep(path) else None]
    reported: set[tuple[str, str]] = set()
    fixed, tied = _constraints(args)
    for law in (constrained(law_named(name), fixed, tied) for name in args.law.split(",")):
        for count in counts:
            source: dict[str, Any] = {"columns": args.columns, "drop_worst": args.drop_worst}
            source |= {"path": str(path.resolve()), "keep_repeats": bool(law.repeats), "best_of": args.best_of}
            runs = reload_runs(source, count)
            print_dropped([row for row in runs.dropped if (row["run"], row["reason"]) not in reported])
            reported |= {(row["run"], row["reason"]) for row in runs.dropped}
            result = describe(fit(law, runs, **_fit_settings(args, runs.columns is None)), runs, source)
            notes = (*runs.notes, *result.warnings)
            holdout = check_holdout(runs.frame, result.law)
            yield dataclasses.replace(result, warnings=notes, holdout=holdout), runs


def _constraints(args: Namespace) -> tuple[dict[str, float], list[list[str]]]:
    """Parameters to be held, and pairs of exponents to be tied."""
    from analysis.laws.constrained import parse_values

    tied = [[name.strip() for name in pair.split("=")] for pair in args.tie]
    for pair in tied:
        if len(pair) != 2:
            raise UserError(f"--tie is {'='.join(pair)!r}: write two exponents, as in alpha=beta")
    return parse_values(args.fix, "--fix") if args.fix else {}, tied


def _fit_settings(args: Namespace, designed: bool) -> dict[str, Any]:
    """Settings of objective and intervals; residuals are resampled for a designed sweep, rows for a table."""
    return {
        "loss": args.objective,
        "delta": args.delta,
        "weights": args.weights,
        "clusters": args.clusters,
        "resample": args.resample or ("residuals" if designed and not args.clusters else "cases"),
        "resamples": args.resamples,
        "profiles": args.profiles,
    }


def _fit_checks(result: "FitResult", runs: "Runs", influence: int, objectives: bool) -> dict[str, Any]:
    """Compute the checks of one fit that were asked for: the influence of each run, the effect of the objective."""
    from analysis.to_json import to_json
    from analysis.validation.influence import leave_one_out
    from analysis.validation.objective_comparison import fit_every_way, objective_table

    checks = {}
    if influence:
        checks["influence"] = to_json(leave_one_out(runs.frame, result.law).top(influence))
    if objectives:
        checks["objectives"] = to_json(objective_table(fit_every_way(result.law, runs)))
    return checks


def _add_checks_of_counts(
    documents: Sequence[dict[str, Any]], fits: "Sequence[tuple[FitResult, Runs]]", approaches: bool
) -> None:
    """Add the approaches and the ranking of the laws under every count to the first document of that count."""
    from analysis.validation.fit_checks import check_approaches, check_ranking

    laws: dict[str | None, list[Any]] = {}
    for result, runs in fits:
        laws.setdefault(runs.count, []).append(result.law)
    for document, (_, runs) in zip(documents, fits, strict=True):
        if runs.count not in laws:
            continue
        if approaches:
            document["approaches"] = check_approaches(runs, laws[runs.count])
        if ranking := check_ranking(runs, laws.pop(runs.count)):
            document["ranking"] = ranking


def _save(results: "Sequence[FitResult]", path: Path) -> None:
    for result in results:
        label = "-".join(str(part) for part in (result.law_name, result.settings.get("count")) if part)
        target = path if len(results) == 1 else path.with_name(f"{path.stem}-{label}{path.suffix}")
        result.save(target)
        print(f"saved: {target}", file=sys.stderr)


def _print_checks(document: Mapping[str, Any]) -> None:
    """Print the checks that were asked for beside the fit."""
    if "influence" in document:
        print(f"\n{document['law']}: change of the exponents if one run is left out")
        print_rows(document["influence"]["runs"])
    if "objectives" in document:
        print(f"\n{document['law']}: the same runs under every objective")
        print_rows(document["objectives"])
    if "approaches" in document:
        print()
        print_rows(document["approaches"]["table"])
        if about_b := document["approaches"]["about_b"]:
            print(about_b)
        for row in document["approaches"]["excluded"]:
            print(f"left out by approach {row['approach']}: {row['what']}: {row['reason']}")
        for row in document["approaches"]["warnings"]:
            name, warning = row["approach"], row["warning"]
            if warning not in document["warnings"]:
                print(f"approach {name}: {warning.removeprefix(f'approach {name} ')}")
        print(document["approaches"]["sentence"])
    if "ranking" in document:
        _print_ranking(document["ranking"])


def _print_ranking(ranking: Mapping[str, Any]) -> None:
    """Print laws by the error of their forecasts over expanding windows, or why they are not ranked."""
    if "reason" in ranking:
        print(f"\nlaws not ranked: {ranking['reason']}")
        return
    print("\nforecast of the next budget from the smaller ones, over all windows, best first")
    print_rows(ranking["table"])
    for row in ranking["excluded"]:
        print(f"not ranked: {row['what']}: {row['reason']}")
