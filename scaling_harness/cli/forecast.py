"""The verb `forecast`."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_json, flops
from scaling_harness.cli._output import print_document, print_rows
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from analysis.fitting.estimate import Estimate
    from analysis.forecasting.forecast import Forecast

HELP = "best N and D of a budget, a loss, or the compute it takes"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="FIT", nargs="?", help="a file of `fit --out`, or published:NAME")
    parser.add_argument("--params", metavar="E=X,A=X,...", help="constants of your own; LAW:A=X,... names their law")
    parser.add_argument("--flops", type=flops, metavar="C", help="a budget, also in PF-days: 12PF-days")
    parser.add_argument("--n-params", type=float, metavar="N")
    parser.add_argument("--n-tokens", type=float, metavar="D", help="with --n-params: the loss; alone: where optimal")
    parser.add_argument("--loss", type=float, metavar="L", help="nats per token: the compute it takes")
    parser.add_argument(
        "--batch", metavar="B", help="for L(N,S): tokens a step, or kaplan2020, its critical batch as the loss falls"
    )
    parser.add_argument("--unique-tokens", type=float, metavar="U", help="with N and D: the unique ones of D tokens")
    add_json(parser)


def run(args: Namespace) -> int:
    """What a fit, or a paper, says of a budget, a shape or a loss."""
    from analysis.forecasting.forecast import forecast
    from analysis.forecasting.source import from_params, open_source, with_batch
    from analysis.laws.published import PF_DAY
    from analysis.to_json import to_json

    if (args.source is None) == (args.params is None):
        raise UserError("name one source: a file of `fit --out`, published:NAME, or --params E=..,A=..")
    source = open_source(args.source) if args.params is None else from_params(args.params)
    found = forecast(
        source if args.batch is None else with_batch(source, args.batch),
        train_flops=args.flops,
        n_params=args.n_params,
        n_tokens=args.n_tokens,
        loss=args.loss,
        unique_tokens=args.unique_tokens,
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
        if "train_flops" in found.quantities:
            print(f"compute in PF-days: {found.quantities['train_flops'].value / PF_DAY:.5g}")
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
