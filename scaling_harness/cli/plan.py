"""The verb `plan`."""

import json
import shlex
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import (
    add_composed_runs_dir,
    add_count,
    add_json,
    add_overrides,
    add_tuned,
    flops,
    is_runs,
)
from scaling_harness.cli._output import print_banner, print_rows
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    from analysis.fitting.estimate import Estimate
    from analysis.forecasting.misallocation import WrongSize
    from analysis.forecasting.next_run import NextRun
    from analysis.forecasting.side_by_side import LawAtBudget
    from analysis.forecasting.source import Source
    from scaling_harness.cli._planned_run import Wanted

HELP = "plan the next run by a fit: N, D, batch, learning rate, loss, what a wrong size costs, and the command"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "source", metavar="FIT", nargs="?", help="a file of `fit --out`, or published:NAME; none with --ratio"
    )
    add_overrides(parser)
    parser.add_argument("--flops", type=flops, metavar="C", help="budget, also in PF-days: 12PF-days")
    parser.add_argument("--loss", type=float, metavar="L", help="nats per token to reach, in place of a budget")
    parser.add_argument(
        "--inference-tokens", type=float, metavar="I", help="tokens expected in use: also plan for training and use"
    )
    simple = parser.add_argument_group("without a fit")
    simple.add_argument("--ratio", type=float, metavar="ETA", help="tokens per parameter: D = ETA N")
    simple.add_argument("--k", type=float, default=6.0, metavar="K", help="of C = K N D (default: %(default)g)")
    add_count(simple)
    run_of = parser.add_argument_group("the run")
    run_of.add_argument(
        "--layers",
        type=int,
        metavar="L",
        help="number of layers (default: that of the runs, or by their rule of N; else d_model / 64)",
    )
    run_of.add_argument(
        "--write",
        metavar="NAME",
        help="write DIR/sweep/NAME.yaml, five sizes about N at C; DIR is --config-dir or conf",
    )
    add_tuned(run_of)
    add_composed_runs_dir(run_of)
    add_json(parser)


def run(args: Namespace) -> int:
    """Plan a run by a fit, or by a ratio alone."""
    from scaling_harness.cli._planned_run import make_run, write_rung

    wanted = _by_ratio(args) if args.ratio is not None else _by_fit(args)
    made = make_run(args, wanted)
    path = write_rung(args, wanted, made) if args.write else None
    if args.json:
        print(json.dumps({**wanted.document, "run": made.document(), "sweep_file": path and str(path)}))
        return 0
    wanted.show()
    print("", *made.lines(wanted, args.config_dir), "", sep="\n")
    print(*(f"note: {note}" for note in (*wanted.notes, *made.notes)), sep="\n")
    if path:
        folder = shlex.quote(str(path.parents[1]))
        print(f"wrote {path}; see it with: scaling-harness sweep plan {args.write} --config-dir {folder}")
    return 0


def _by_ratio(args: Namespace) -> "Wanted":
    """Without a fit: D = eta N and C = k N D."""
    from analysis.forecasting.fixed_ratio import plan_by_ratio
    from analysis.to_json import to_json
    from scaling_harness.cli._planned_run import OF_THE_DEFAULT, Wanted
    from sweeps.planning.recipe import default_recipe

    given = [name for name in ("source", "loss", "inference_tokens") if getattr(args, name) is not None]
    if given or args.flops is None:
        raise UserError("--ratio takes a budget and no fit: scaling-harness plan --flops 1e22 --ratio 20")
    plan = plan_by_ratio(args.flops, args.ratio, args.k)

    def show() -> None:
        print(f"C = {plan.train_flops:.4g} FLOP, D = {args.ratio:g} N, C = {args.k:g} N D")
        print_rows([{"N": plan.n_params, "D": plan.n_tokens, "D/N": plan.tokens_per_param}])

    return Wanted(
        document=to_json(plan),
        show=show,
        n_params=plan.n_params,
        train_flops=plan.train_flops,
        tokens=lambda n_params: plan.train_flops / (args.k * n_params),
        count=args.count,
        recipe=default_recipe(),
        forecast=f"none; D = {args.ratio:g} N by choice",
        notes=(OF_THE_DEFAULT,),
    )


def _by_fit(args: Namespace) -> "Wanted":
    """By the law of a saved fit, and by the mixture of forms on its runs if they are where they were."""
    from analysis.forecasting.next_run import mixture_of, plan_next_run, require_split
    from analysis.forecasting.source import open_source
    from analysis.to_json import to_json
    from scaling_harness.cli._planned_run import Wanted, recipe_of_source

    if args.source is None or (args.flops is None) == (args.loss is None):
        raise UserError(
            "name a fit and one of --flops and --loss: scaling-harness plan fit.json --flops 1e20; or, without a fit, "
            "--flops and --ratio"
        )
    if is_runs(args.source):
        fit = f"scaling-harness fit {args.source} --law chinchilla --out fit.json"
        raise UserError(f"{args.source} is no saved fit: make one of runs with `{fit}`, then plan from fit.json")
    source = open_source(args.source)
    require_split(source)
    mixture, reason = mixture_of(source)
    plan = plan_next_run(
        source, train_flops=args.flops, loss=args.loss, inference_tokens=args.inference_tokens, mixture=mixture
    )
    recipe, why = recipe_of_source(source)
    notes = [*plan.warnings, *([] if mixture else [f"the loss is not of several forms: {reason}"]), *why]
    notes += _conventions(source)
    return Wanted(
        document=to_json(plan),
        show=lambda: _show(plan, source),
        n_params=plan.n_params,
        train_flops=plan.train_flops,
        tokens=lambda n_params: float(source.cost.tokens(plan.train_flops, n_params)),
        count=source.conventions.get("count") or "with_head",
        recipe=recipe,
        forecast=f"loss {plan.loss_nats:.4g} at N = {plan.n_params:.3g} by {args.source} ({plan.loss_by})",
        law=source.law.name if source.law else "chinchilla",
        for_use=plan.inference and (plan.inference.n_params.value, plan.inference.n_tokens.value),
        notes=tuple(notes),
    )


def _conventions(source: "Source") -> list[str]:
    """Say what is not known of the source, or is not so here."""
    said = []
    if source.conventions.get("count") is None:
        said.append(f"{source.name} does not say which N it counts: taken as with_head (fit --count says it)")
    if not source.cost.proportional:
        said.append(f"C of its runs is {source.cost.formula}, by which D is chosen; a rung's budgets are 6 N D")
    return said


def _show(plan: "NextRun", source: "Source") -> None:
    """Print the choice, what another would cost, the choice for use, and other laws."""
    from analysis.forecasting.side_by_side import TRAPS

    print_banner(plan.warnings)
    print(*(f"WARNING: {sentence}" for sentence in plan.far), sep="\n", end="\n" if plan.far else "")
    print(f"{plan.by.asked}, by {plan.by.source}: {source.law.formula if source.law else ''}")
    quantities = {**plan.by.quantities, "loss_nats": plan.loss_nats}
    print_rows([_row(name, estimate) for name, estimate in quantities.items()])
    print(f"the interval of the loss: {plan.loss_by}")
    if plan.times_beyond is not None and not plan.far:
        print(f"the budget is {plan.times_beyond:.3g} times the largest compute of the runs")
    print("\nthe cost of being 2 times off in N at this budget")
    print_rows([_wrong_row(plan, wrong) for wrong in plan.by.wrong_sizes if wrong.factor in (0.5, 2.0)])
    if plan.inference:
        _show_inference(plan)
    print("\nwhat other laws say of this budget")
    print_rows([_law_row(law) for law in plan.laws])
    print(*TRAPS, sep="\n")


def _row(name: str, estimate: "Estimate") -> dict[str, Any]:
    low, high = estimate.ci95 or ("", "")
    return {"quantity": name, "value": estimate.value, "2.5 %": low, "97.5 %": high}


def _wrong_row(plan: "NextRun", wrong: "WrongSize") -> dict[str, Any]:
    """Its loss, and the compute with which the best size is as good."""
    extra = wrong.extra_loss_nats
    low, high = extra.ci95 or ("", "")
    row: dict[str, Any] = {"N / best N": wrong.factor, "N": wrong.n_params, "D": wrong.n_tokens}
    row |= {"extra loss": extra.value, "2.5 %": low, "97.5 %": high}
    wasted = wrong.wasted_compute.value
    return row | {"equivalent compute": (1 - wasted) * plan.train_flops, "wasted": f"{wasted:.1%}"}


def _show_inference(plan: "NextRun") -> None:
    """Print the size of least training and use, beside the compute-optimal one."""
    choice = plan.inference
    assert choice is not None
    total = choice.train_flops + choice.inference_flops
    print(f"\nthe same loss for {choice.inference_tokens:.3g} tokens of inference (Sardana et al. 2023), least in all:")
    rows = [_row(name, getattr(choice, name)) for name in ("n_params", "n_tokens", "tokens_per_param")]
    print_rows([*rows, _row("share of FLOPs saved", choice.saved)])
    print(
        f"training {choice.train_flops:.3g} + inference {choice.inference_flops:.3g} = {total:.3g} FLOP; the "
        f"compute-optimal size: {plan.train_flops:.3g} + {choice.optimal_total_flops - plan.train_flops:.3g} = "
        f"{choice.optimal_total_flops:.3g}"
    )


def _law_row(law: "LawAtBudget") -> dict[str, Any]:
    beyond = "unknown" if law.decades_beyond is None else f"{law.decades_beyond:.1f}"
    return {
        "law": law.law,
        "N counts": (law.count or "unknown").replace("_", " "),
        "C": (law.compute or "unknown").partition(":")[0],
        "a": law.a,
        "N": law.n_params,
        "D": law.n_tokens,
        "D/N": law.tokens_per_param,
        "nats/token": law.loss_nats,
        "V": law.vocab_size,
        "decades beyond its runs": beyond,
    }
