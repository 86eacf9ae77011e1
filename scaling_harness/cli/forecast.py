"""The verb `forecast`."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json, flops
from scaling_harness.cli._output import print_banner, print_document, print_rows
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from analysis.fitting.estimate import Estimate
    from analysis.forecasting.forecast import Forecast

HELP = "predict from a fit: the best N and D for a budget, a loss, or the compute to reach a loss"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="FIT", nargs="?", help="a file of `fit --out`, or published:NAME")
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
    add_json(parser)


def run(args: Namespace) -> int:
    """Print what a fit, or a published law, predicts for a budget, a shape or a loss."""
    from analysis.forecasting.forecast import forecast
    from analysis.forecasting.source import from_params, open_source, with_batch
    from analysis.laws.published import PF_DAY
    from analysis.to_json import to_json

    if (args.source is None) == (args.params is None):
        raise UserError("name one source: a file of `fit --out`, published:NAME, or --params E=..,A=..")
    source = open_source(args.source) if args.params is None else from_params(args.params)
    prediction = forecast(
        source if args.batch is None else with_batch(source, args.batch),
        train_flops=args.flops,
        n_params=args.n_params,
        n_tokens=args.n_tokens,
        loss=args.loss,
        unique_tokens=args.unique_tokens,
    )
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
        print(f"distance from the runs: {distance}", *(f"note: {warning}" for warning in prediction.warnings), sep="\n")
    return 0


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
