"""The verb `rule`."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from scaling_harness.cli._options import add_columns, add_json, add_runs, find_runs
from scaling_harness.cli._output import print_dropped, print_rows
from scaling_harness.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.hyperparameters.optima import Best, BestSettings
    from analysis.hyperparameters.power_law_nd import PowerLaw

HELP = "find the best learning rate and batch at each N and D of a sweep, and fit laws to them"


def add_options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_runs(parser, "a sweep (name or folder), or a table with a column lr or batch_tokens")
    add_columns(parser)
    add_json(parser)


def run(args: Namespace) -> int:
    """Print the best learning rate and batch at every N and D, laws fitted to them, and the published rules."""
    from analysis.hyperparameters.optima import SETTINGS, find_rules
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Selection
    from analysis.to_json import to_json
    from scaling_harness.plan.scale_rules import RULE_FORMULAS

    path = find_runs(args.runs, args.runs_dir)
    runs = load_runs(path, Selection(may_differ=tuple(SETTINGS.values()), split="valid"), columns=args.columns)
    if missing := {"N", "D"} - set(runs.frame):
        raise UserError(f"{path} has no {', '.join(sorted(missing))}: name it with --columns")
    print_dropped(runs.dropped)
    best = find_rules(runs.frame)
    published = [] if runs.columns is not None else _published(runs.frame, best.optima)
    sources = {name: formulas.source for name, formulas in RULE_FORMULAS.items()}
    if args.json:
        print(json.dumps(to_json(best) | {"published": published, "sources": sources}))
        return 0
    print_rows([_optimum_row(optimum) for optimum in best.optima])
    for name, law in best.laws.items():
        print(f"\n{_law_sentence(SETTINGS[name], law)}")
    for name, reason in best.reasons.items():
        print(f"\n{SETTINGS[name]}: no law: {reason}")
    if published:
        print()
        print_rows(published)
        for name, source in sources.items():
            print(f"{name}: {source}")
    return 0


def _law_sentence(field: str, law: "PowerLaw") -> str:
    """Describe a fitted power law, its errors, and the setting that uses it."""
    exponents = ", ".join(f"{name.replace('_', ' ')} {estimate}" for name, estimate in law.exponents.items())
    text = ", ".join(f"{key}: {value}" for key, value in law.rule().items())
    return (
        f"{field}: {law.value} at N = {law.n_params:.3g}, D = {law.n_tokens:.3g}; {exponents}; "
        f"{law.n_points} points, rms {law.rms:.1%}\n  {field}='{{{text}}}'"
    )


def _optimum_row(optimum: "BestSettings") -> dict[str, Any]:
    row: dict[str, Any] = {"N": int(optimum.n_params), "D": int(optimum.n_tokens), "runs": optimum.n_runs}
    for name, best in optimum.best.items():
        row[name] = _best_text(best)
    return row | {"L": optimum.loss_nats}


def _best_text(best: "Best") -> str:
    if best.problem:
        return f"{best.value:.4g} ({best.problem})"
    return f"{best.value:.4g}" + (f" +- {best.log_stderr:.1%}" if best.log_stderr is not None else "")


def _published(frame: "pd.DataFrame", optima: "Iterable[BestSettings]") -> list[dict[str, Any]]:
    """Evaluate each published rule at the sizes and horizons of the sweep."""
    from scaling_harness.models.param_flop_counts import COUNTS
    from scaling_harness.plan.scale_rules import RULE_FORMULAS, Scale

    rows = []
    for optimum in optima:
        run: Mapping[Any, Any] = frame[frame["N"] == optimum.n_params].iloc[0].to_dict()
        shape = (int(run[name]) for name in ("n_layer", "d_model", "n_ctx"))
        at = Scale({count: run[f"n_params_{count}"] for count in COUNTS}, optimum.n_tokens, *shape)
        for name, rule in RULE_FORMULAS.items():
            formulas = {"lr": rule.learning_rate, "batch_tokens": rule.batch_tokens}
            values = {key: formula(at) if formula else None for key, formula in formulas.items()}
            rows.append({"rule": name, "N": int(optimum.n_params), "D": int(optimum.n_tokens), **values})
    return rows
