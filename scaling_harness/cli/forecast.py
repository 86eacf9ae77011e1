"""The verb `forecast`."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json
from scaling_harness.cli._output import print_document, print_rows

if TYPE_CHECKING:
    from analysis.fitting.estimate import Estimate
    from analysis.forecasting.forecast import Forecast

HELP = "best N and D of a budget, a loss, or the compute it takes"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="FIT", help="a file of `fit --out`, or published:NAME")
    parser.add_argument("--flops", type=float, metavar="C", help="a budget")
    parser.add_argument("--n-params", type=float, metavar="N")
    parser.add_argument("--n-tokens", type=float, metavar="D", help="with --n-params: the loss; alone: where optimal")
    parser.add_argument("--loss", type=float, metavar="L", help="nats per token: the compute it takes")
    parser.add_argument(
        "--batch", metavar="B", help="for L(N,S): tokens a step, or kaplan2020, its critical batch as the loss falls"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """What a fit, or a paper, says of a budget, a shape or a loss."""
    from analysis.forecasting.forecast import forecast
    from analysis.forecasting.source import open_source, with_batch
    from analysis.to_json import to_json

    source = open_source(args.source)
    found = forecast(
        source if args.batch is None else with_batch(source, args.batch),
        train_flops=args.flops,
        n_params=args.n_params,
        n_tokens=args.n_tokens,
        loss=args.loss,
    )
    rows = [
        {"quantity": name, "value": e.value, "2.5 %": (e.ci95 or ("", ""))[0], "97.5 %": (e.ci95 or ("", ""))[1]}
        for name, e in found.quantities.items()
    ]
    if not args.json:
        print(f"{found.asked}, by {found.source}")
    print_document(args.json, to_json(found), rows)
    if not args.json:
        _print_cost(found)
        distance = "unknown" if found.decades_beyond is None else f"{found.decades_beyond:.2f} decades"
        print(f"distance from the runs: {distance}", *(f"note: {warning}" for warning in found.warnings), sep="\n")
    return 0


def _print_cost(found: "Forecast") -> None:
    """What other sizes cost at the budget, and what following the estimate does."""
    if not found.wrong_sizes:
        return
    rows = []
    for each in found.wrong_sizes:
        extra, wasted = each.extra_loss_nats, each.wasted_compute
        row: dict[str, Any] = {"N / best N": each.factor, "N": each.n_params, "D": each.n_tokens}
        row |= {"extra loss": extra.value, "2.5 %": (extra.ci95 or ("", ""))[0], "97.5 %": (extra.ci95 or ("", ""))[1]}
        rows.append(row | {"compute wasted": f"{wasted.value:.1%}"})
    print("\nthe cost of choosing wrongly, at this budget")
    print_rows(rows)
    if found.regret:
        lost, wasted = found.regret.extra_loss_nats, found.regret.wasted_compute
        print(
            f"expected regret of following this fit: {lost.value:.3g} in loss, {wasted.value:.1%} of the compute "
            f"(mean over resamples; 97.5 % of them below {_top(lost):.3g} and {_top(wasted):.1%})"
        )
    print()


def _top(estimate: "Estimate") -> float:
    return estimate.ci95[1] if estimate.ci95 else estimate.value
