"""What `fit` says beside a law: runs left out, thresholds, what doubling buys, and the type of a learning curve."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._output import print_rows
from scaling_harness.errors import HarnessError, UserError

if TYPE_CHECKING:
    from analysis.fitting.result import FitResult
    from analysis.runs.selection import Runs

ALWAYS = "loglinear"
"""The law that comes with runs left out and doublings, asked for or not."""


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="also leave out K parts of the runs, and each, and predict them (always for loglinear: 10)",
    )
    parser.add_argument(
        "--thresholds", action="store_true", help="also fit below thresholds of N and D, and predict what is above"
    )
    parser.add_argument(
        "--doubling", action="store_true", help="also say what doubling N, D or C buys (always for loglinear)"
    )
    parser.add_argument(
        "--critical-batch",
        metavar="B",
        help="with --doubling: the critical batch in tokens, or kaplan2020, to say what doubling the batch buys",
    )


def check_options(args: Namespace) -> None:
    """Refuse, before anything is fitted, options that ask for nothing."""
    if args.critical_batch and not (args.doubling or ALWAYS in args.law.split(",")):
        raise UserError("--critical-batch says what doubling the batch buys: give --doubling too")
    if args.folds is not None and args.folds < 2:
        raise UserError(f"--folds is {args.folds}: give 2 or more parts to leave out in turn, 10 is usual")


def checks_of(result: "FitResult", runs: "Runs", args: Namespace) -> dict[str, Any]:
    """Compute what was asked for, and what belongs to the law; of runs that do not allow a check, the reason."""
    always = result.law_name == ALWAYS
    checks: dict[str, Any] = {}
    if args.folds is not None or always:
        checks["cross_validation"] = _or_reason(_cross_validation, result, runs, args.folds)
    if args.thresholds:
        checks["thresholds"] = _or_reason(_thresholds, result, runs)
    if args.doubling or always:
        checks["doubling"] = _or_reason(_doubling, result, runs, args.critical_batch)
    if result.law_name == "amari" and not result.law.fixed:
        checks["learning_curve"] = _or_reason(_learning_curve, result, runs)
    return checks


def _or_reason(check: Callable[..., Any], *arguments: Any) -> Any:
    """A check as JSON, or the reason why these runs do not allow it; a mistake of the user is raised."""
    from analysis.to_json import to_json

    try:
        return to_json(check(*arguments))
    except UserError:
        raise
    except HarnessError as error:
        return {"reason": str(error)}


def _cross_validation(result: "FitResult", runs: "Runs", folds: int | None) -> Any:
    from analysis.fitting.fit import objective_named, weights_of
    from analysis.validation.cross_validation import FOLDS, cross_validate

    settings = result.settings
    return cross_validate(
        runs.frame,
        result.law,
        folds=FOLDS if folds is None else folds,
        objective=objective_named(settings["loss"], settings["delta"]),
        weights=weights_of(runs.frame, settings["weights"]),
    )


def _thresholds(result: "FitResult", runs: "Runs") -> Any:
    from analysis.runs.replicates import design_cells
    from analysis.validation.thresholds import below_thresholds

    return below_thresholds(design_cells(runs.frame), result.law)


def _doubling(result: "FitResult", runs: "Runs", critical: str | None) -> Any:
    import numpy as np

    from analysis.forecasting.doubling import batch_doublings, doublings
    from analysis.laws.kaplan import batch_named

    rows = doublings(result)
    if critical is None:
        return rows
    if "batch_tokens" not in runs.frame:
        raise UserError("--critical-batch needs the batch of the runs: name its column in --columns, batch_tokens=...")
    there = float(batch_named(critical).tokens(runs.frame["L"].to_numpy(float).min()))
    return rows + batch_doublings(float(np.median(runs.frame["batch_tokens"].to_numpy(float))), there)


def _learning_curve(result: "FitResult", runs: "Runs") -> Any:
    from analysis.validation.learning_curve_type import learning_curve_type

    return learning_curve_type(result, runs)


def print_checks(document: Mapping[str, Any]) -> None:
    """Print them below the fit."""
    titles = {
        "cross_validation": "runs left out",
        "thresholds": "fitted below thresholds of N and D, all beyond either predicted",
        "doubling": "what doubling buys, in % of the loss, or of what changes",
        "learning_curve": "which of Amari's four types of learning curves",
    }
    for name, title in titles.items():
        found = document.get(name)
        if found is None:
            continue
        print(f"\n{document['law']}: {title}")
        if isinstance(found, list):
            print_rows([_doubling_row(row) for row in found] if name == "doubling" else found)
        else:
            print(found.get("sentence") or found["reason"])


def _doubling_row(row: Mapping[str, Any]) -> dict[str, Any]:
    change = row["change"]
    low, high = change["ci95"] or (None, None)
    shares = {"%": change["value"], "2.5 %": low, "97.5 %": high}
    percent = {name: None if share is None else 100 * share for name, share in shares.items()}
    return {"doubled": row["doubled"], "and with it": row["with_it"], "changes": row["of"], **percent, "at": row["at"]}
