"""The verb `forecast`."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import (
    COUNTS,
    add_best_of,
    add_columns,
    add_json,
    add_runs_dir,
    find_runs,
    flops,
    is_runs,
)
from scaling_harness.cli._output import print_banner, print_document, print_dropped, print_rows
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from analysis.fitting.estimate import Estimate
    from analysis.forecasting.forecast import Forecast

HELP = "predict from runs or a fit: the best N and D for a budget, a loss, or the compute to reach a loss"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source",
        metavar="RUNS|FIT",
        nargs="?",
        help="a sweep, an archive or a table: several laws are fitted and weighed by their forecasts of budgets not "
        "seen; or one law: a file of `fit --out`, or published:NAME",
    )
    parser.add_argument("--params", metavar="E=X,A=X,...", help="constants of your own; LAW:A=X,... names their law")
    parser.add_argument(
        "--flops", type=flops, metavar="C", help="budget to predict the best N and D for, also in PF-days: 12PF-days"
    )
    parser.add_argument(
        "--n-params",
        type=float,
        metavar="N",
        help="with --n-tokens: predict the loss; alone: the budget that it is optimal for",
    )
    parser.add_argument(
        "--n-tokens",
        type=float,
        metavar="D",
        help="with --n-params: predict the loss; alone: the budget that it is optimal for",
    )
    parser.add_argument("--loss", type=float, metavar="L", help="nats per token to predict the least compute for")
    parser.add_argument(
        "--batch", metavar="B", help="for L(N,S): tokens per step, or kaplan2020 for its critical batch at each loss"
    )
    parser.add_argument("--unique-tokens", type=float, metavar="U", help="with N and D: the unique ones of D tokens")
    of_runs = parser.add_argument_group("for runs")
    of_runs.add_argument("--count", choices=COUNTS, help="convention for N (default of a sweep: with_head)")
    add_columns(parser)
    add_best_of(parser)
    add_runs_dir(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what runs, a fit, or a published law predict for a budget, a shape or a loss."""
    from analysis.laws.published import PF_DAY
    from analysis.to_json import to_json

    if (args.source is None) == (args.params is None):
        raise UserError("name one source: runs, a file of `fit --out`, published:NAME, or --params E=..,A=..")
    prediction = _by_mixture(args) if args.source and is_runs(args.source) else _by_one_law(args)
    rows = [
        {"quantity": name, "value": e.value, "2.5 %": (e.ci95 or ("", ""))[0], "97.5 %": (e.ci95 or ("", ""))[1]}
        for name, e in prediction.quantities.items()
    ]
    if not args.json:
        print_banner(prediction.warnings)
        print(f"{prediction.asked}, by {prediction.source}")
    print_document(args.json, to_json(prediction), rows)
    if not args.json:
        _print_cost(prediction)
        distance = "unknown" if prediction.decades_beyond is None else f"{prediction.decades_beyond:.2f} decades"
        if "train_flops" in prediction.quantities:
            print(f"compute in PF-days: {prediction.quantities['train_flops'].value / PF_DAY:.5g}")
        print(f"distance from the runs: {distance}", *_coverage_lines(prediction), sep="\n")
        print(*(f"note: {warning}" for warning in prediction.warnings), sep="\n")
    return 0


def _by_one_law(args: Namespace) -> "Forecast":
    """Forecast by a saved fit or published constants, with the discrepancy on the interval of the loss."""
    from analysis.forecasting.forecast import forecast
    from analysis.forecasting.source import from_params, open_source, with_batch

    source = open_source(args.source) if args.params is None else from_params(args.params)
    return forecast(
        source if args.batch is None else with_batch(source, args.batch),
        train_flops=args.flops,
        n_params=args.n_params,
        n_tokens=args.n_tokens,
        loss=args.loss,
        unique_tokens=args.unique_tokens,
    )


def _by_mixture(args: Namespace) -> "Forecast":
    """Fit the forms of the mixture to runs and forecast by all of them."""
    from analysis.forecasting.mixture_forecast import forecast_mixture, mixture_source
    from analysis.runs.from_records import is_sweep
    from analysis.runs.reload import reload_runs

    for option in ("batch", "unique_tokens"):
        if getattr(args, option) is not None:
            name = option.replace("_", "-")
            raise UserError(
                f"--{name} is for a saved fit of a law that takes it, not for the mixture of forms: leave it out"
            )
    path = find_runs(args.source, args.runs_dir)
    selection = {"path": str(path), "columns": args.columns, "drop_worst": 0, "best_of": args.best_of}
    runs = reload_runs({**selection, "keep_repeats": False}, args.count or ("with_head" if is_sweep(path) else None))
    print_dropped(runs.dropped)
    return forecast_mixture(
        mixture_source(runs, args.source),
        train_flops=args.flops,
        n_params=args.n_params,
        n_tokens=args.n_tokens,
        loss=args.loss,
    )


def _coverage_lines(prediction: "Forecast") -> list[str]:
    """Say what the interval of the loss holds: the forms and their windows, or one law with a discrepancy."""
    if prediction.mixture is None:
        sd = prediction.discrepancy
        said = f"the interval of the loss has a discrepancy of {sd:.2%} for the form of the law beyond its runs; "
        return [said + "from runs, not a fit, several forms are weighed and judged"] if sd else []
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in prediction.mixture["weights"].items())
    held = prediction.mixture["windows"]
    coverage = f"{held} hold in 95 % intervals" if held.windows else "no budgets to judge it by"
    return [
        f"weights: {weights}",
        f"discrepancy: {prediction.mixture['tau']:g} ln(C/C_max); of the next budget {coverage}",
    ]


def _print_cost(prediction: "Forecast") -> None:
    """Print the cost of other sizes at the budget, and the expected regret of following the fit."""
    if not prediction.wrong_sizes:
        return
    rows = []
    for each in prediction.wrong_sizes:
        extra, wasted = each.extra_loss_nats, each.wasted_compute
        row: dict[str, Any] = {"N / best N": each.factor, "N": each.n_params, "D": each.n_tokens}
        row |= {"extra loss": extra.value, "2.5 %": (extra.ci95 or ("", ""))[0], "97.5 %": (extra.ci95 or ("", ""))[1]}
        rows.append(row | {"compute wasted": f"{wasted.value:.1%}"})
    print("\nthe cost of other sizes at this budget")
    print_rows(rows)
    if prediction.regret:
        lost, wasted = prediction.regret.extra_loss_nats, prediction.regret.wasted_compute
        print(
            f"expected regret of following this fit: {lost.value:.3g} in loss, {wasted.value:.1%} of the compute "
            f"(mean over resamples; 97.5 % of them below {_top(lost):.3g} and {_top(wasted):.1%})"
        )
    print()


def _top(estimate: "Estimate") -> float:
    return estimate.ci95[1] if estimate.ci95 else estimate.value
