"""The verb `tune`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaling_harness.cli._options import add_composed_runs_dir, add_json, add_overrides, add_sweep_name, composed
from scaling_harness.cli._output import print_document

HELP = "search the best settings, with equal effort for each size, architecture and data set of a sweep"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_sweep_name(parser)
    add_overrides(parser)
    add_composed_runs_dir(parser)
    parser.add_argument(
        "--over", required=True, metavar="FIELD,...", help="settings to search, such as optim.lr,budget.batch_tokens"
    )
    parser.add_argument(
        "--trials", type=int, default=12, metavar="K", help="settings tried for each group (default: %(default)s)"
    )
    add_json(parser)


def run(args: Namespace) -> int:
    """Search settings with equal effort for each size, horizon, architecture and data set of a sweep."""
    from scaling_harness.config.as_overrides import override
    from scaling_harness.record.store import Store
    from sweeps.compose import sweep_config
    from sweeps.planning.plan_sweep import plan_sweep
    from sweeps.tuning.tune_sweep import tune_sweep
    from sweeps.tuning.tuned_settings import describe_tuned, write_tuned

    configuration = composed(args, f"sweep={args.name}")
    manifest = plan_sweep(configuration)
    store = Store(Path(manifest.runtime.runs_dir))
    stack = sweep_config(configuration).stack
    fields, tuned = tune_sweep(manifest, args.over.split(","), args.trials, stack, store)
    document = describe_tuned(args.name, fields, args.trials, tuned, _fit_rule)
    write_tuned(store.sweep_dir(manifest.name), document)
    print_document(args.json, document, [_row(group) for group in document["groups"]])
    if not args.json:
        for field, choice in document["choices"].items():
            print(override(field, choice["choice"]) if "choice" in choice else f"{field}: no rule: {choice['reason']}")
        print(document["effort"])
    return 0


def _fit_rule(points: Sequence[tuple[float, float]], values: Sequence[float]) -> dict[str, Any]:
    """Fit a power law in N and D to the best values of the groups, as a rule."""
    from analysis.hyperparameters.power_law_nd import power_law
    from analysis.to_json import to_json

    law = power_law(points, values)
    return {"reason": law} if isinstance(law, str) else {"choice": law.rule(), "law": to_json(law)}


def _row(group: Mapping[str, Any]) -> dict[str, Any]:
    settings = {
        field: f"{value:.5g}" + ("" if group["bracketed"][field] else " (at the edge)")
        for field, value in group["best"]["settings"].items()
    }
    return {
        "architecture": group["architecture"],
        "data": group["data"],
        "N": group["n_params_with_head"],
        "D": group["n_tokens"],
        "trials": group["n_trials"],
        **settings,
        "L": group["best"]["loss_nats"],
        "L of the default": group["default"]["loss_nats"],
    }
