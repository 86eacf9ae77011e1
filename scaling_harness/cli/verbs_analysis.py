"""The verb `fit`, and the public tables of `data`. Imports stand inside the verbs."""

import dataclasses
import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.cli.verbs import find_runs, print_rows, say_dropped
from scaling_harness.errors import HarnessError, UserError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.fitting.result import FitResult
    from analysis.runs.selection import Runs


def fit(options: Namespace) -> int:
    """Fit laws to runs or to a table, under one or more counts of N."""
    from analysis.to_json import to_json

    results, documents, tables = [], [], []
    for result, runs in _fits(options):
        results.append(result)
        documents.append(to_json(result) | _beside(options, result, runs))
        tables.append(runs)
    if options.approaches:
        _add_approaches(documents, tables)
    _add_rankings(documents, results, tables)
    if options.out:
        _save(results, Path(options.out))
    if options.json:
        print(json.dumps(documents[0] if len(documents) == 1 else documents))
        return 0
    print("\n\n".join(result.summary() for result in results))
    for document in documents:
        _print_more(options, document)
    return 0


def _beside(options: Namespace, result: "FitResult", runs: "Runs") -> dict[str, Any]:
    """What was asked for beside a fit: the influence of each run, the effect of the objective."""
    from analysis.to_json import to_json
    from analysis.validation.influence import leave_one_out
    from analysis.validation.objective_comparison import fit_every_way, objective_table

    more = {}
    if options.influence < 0:
        raise UserError(f"--influence is {options.influence}: give how many runs to show")
    if options.influence:
        more["influence"] = to_json(leave_one_out(runs.frame, result.law).top(options.influence))
    if options.objectives:
        more["objectives"] = to_json(objective_table(fit_every_way(result.law, runs)))
    return more


def _add_approaches(documents: Sequence[dict[str, Any]], tables: "Sequence[Runs]") -> None:
    """Chinchilla's approaches under every count, put into the first document of that count."""
    from analysis.frontier.approaches import three_approaches
    from analysis.frontier.verdict import verdict
    from analysis.to_json import to_json

    seen = set()
    for document, runs in zip(documents, tables, strict=True):
        if runs.count not in seen:
            seen.add(runs.count)
            said = verdict(three_approaches(runs))
            document["approaches"] = {"table": to_json(said.table), **to_json(said)}


def _fits(options: Namespace) -> Iterator[tuple["FitResult", "Runs"]]:
    """Every law under every count, each described for `compare` and with a forecast of its largest budgets."""
    from analysis.fitting.fit import fit as fit_law
    from analysis.fitting.saved_fit import describe
    from analysis.laws.registry import law_named

    path = find_runs(options)
    counts = options.count.split(",") if options.count else ["with_head" if path.is_dir() else None]
    said: set[tuple[str, str]] = set()
    for law in map(law_named, options.law.split(",")):
        for count in counts:
            source: dict[str, Any] = {"columns": options.columns, "drop_worst": options.drop_worst}
            source |= {"path": str(path.resolve()), "keep_repeats": bool(law.repeats)}
            runs = load_again(source, count)
            say_dropped([row for row in runs.dropped if (row["run"], row["reason"]) not in said])
            said |= {(row["run"], row["reason"]) for row in runs.dropped}
            result = describe(fit_law(law, runs, **_how(options, "run_id" in runs.frame)), runs, source)
            notes = (*runs.notes, *result.warnings)
            yield dataclasses.replace(result, warnings=notes, holdout=_holdout(runs.frame, result)), runs


def _how(options: Namespace, designed: bool) -> dict[str, Any]:
    """Objective and intervals; a designed sweep draws residuals again, a table its rows."""
    return {
        "loss": options.objective,
        "delta": options.delta,
        "weights": options.weights,
        "clusters": options.clusters,
        "resample": options.resample or ("residuals" if designed and not options.clusters else "cases"),
        "resamples": options.resamples,
        "profiles": options.profiles,
    }


def load_again(source: Mapping[str, Any], count: Any) -> "Runs":
    """Runs of a sweep by that count of N; or a table, of which the count says what its N is."""
    from analysis.runs.load import load_runs
    from analysis.runs.selection import COUNTS, Selection

    if count is not None and count not in COUNTS:
        raise UserError(f"count {count!r} is not one of {', '.join(COUNTS)}")
    runs = load_runs(
        source["path"],
        Selection(count or "with_head", source["drop_worst"], source["keep_repeats"]),
        columns=source["columns"],
    )
    return dataclasses.replace(runs, count=count)


def _holdout(frame: "pd.DataFrame", result: "FitResult") -> dict[str, Any]:
    """Forecast of the largest budgets from the others, or why there is none."""
    from analysis.runs.replicates import design_cells
    from analysis.to_json import to_json
    from analysis.validation.holdout import hold_out_budgets

    if not {"N", "D", "C"} <= set(frame):
        return {"reason": "runs without N, D and C have no budgets to hold out"}
    try:
        return to_json(hold_out_budgets(design_cells(frame), result.law))
    except HarnessError as error:
        return {"reason": str(error)}


def _save(results: "Sequence[FitResult]", path: Path) -> None:
    for result in results:
        label = "-".join(str(part) for part in (result.law_name, result.settings.get("count")) if part)
        target = path if len(results) == 1 else path.with_name(f"{path.stem}-{label}{path.suffix}")
        result.save(target)
        print(f"saved: {target}", file=sys.stderr)


def _print_more(options: Namespace, document: Mapping[str, Any]) -> None:
    """What was asked for beside the fit."""
    if "influence" in document:
        print(f"\n{document['law']}: leaving out one run moves the exponents by")
        print_rows(options, document, document["influence"]["runs"])
    if "objectives" in document:
        print(f"\n{document['law']}: the same runs under every objective")
        print_rows(options, document, document["objectives"])
    if "approaches" in document:
        print()
        print_rows(options, document, document["approaches"]["table"])
        print(document["approaches"]["sentence"])
    if "ranking" in document:
        _print_ranking(options, document["ranking"])


def _print_ranking(options: Namespace, ranking: Mapping[str, Any]) -> None:
    """Laws by the error of their forecasts over expanding windows, or why they are not ranked."""
    if "reason" in ranking:
        print(f"\nlaws not ranked: {ranking['reason']}")
        return
    print("\nforecast of the next budget from the smaller ones, over all windows, best first")
    print_rows(options, ranking, ranking["table"])
    for row in ranking["excluded"]:
        print(f"not ranked: {row['what']}: {row['reason']}")


def _add_rankings(
    documents: Sequence[dict[str, Any]], results: "Sequence[FitResult]", tables: "Sequence[Runs]"
) -> None:
    """Several laws ranked by their forecasts under every count, put into the first document of that count."""
    from analysis.runs.replicates import design_cells
    from analysis.to_json import to_json
    from analysis.validation.law_ranking import rank_laws

    first: dict[Any, int] = {}
    for i, runs in enumerate(tables):
        first.setdefault(runs.count, i)
    for count, i in first.items():
        laws = [result.law for result in results if result.settings.get("count") == count]
        if len(laws) < 2 or not {"N", "D", "C"} <= set(tables[i].frame):
            continue
        try:
            documents[i]["ranking"] = to_json(rank_laws(design_cells(tables[i].frame), laws))
        except HarnessError as error:
            documents[i]["ranking"] = {"reason": str(error)}


def public_tables() -> list[dict[str, Any]]:
    """Rows of `data list`: what is public, and whether a copy is near."""
    from analysis.runs.public_tables import DATASETS, find_local
    from analysis.to_json import to_json

    rows = []
    for dataset in DATASETS.values():
        row = {"data_id": dataset.name, "kind": "public table", **to_json(dataset)}
        rows.append(row | {"local": str(find_local(dataset) or "")})
    return rows


def get_tables(options: Namespace) -> int:
    """Find or download public tables, and say how to fit them."""
    from analysis.runs.public_tables import DATASETS, get
    from analysis.to_json import to_json

    if not options.overrides:
        raise UserError(f"name a public table: {', '.join(DATASETS)}")
    rows = []
    for name in options.overrides:
        path, how = get(name, Path(options.to))
        rows.append({"name": name, "path": str(path), "how": how, **to_json(DATASETS[name])})
    if options.json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        print(
            "\n".join(
                f"{key}: {row[key]}" for key in ("path", "how", "licence", "citation", "columns", "note") if row[key]
            )
        )
    return 0
