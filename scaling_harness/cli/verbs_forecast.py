"""The verbs `forecast` and `compare`, on saved fits and published constants. Imports stand inside the verbs."""

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scaling_harness.cli.verbs import print_rows
from scaling_harness.cli.verbs_analysis import load_again
from scaling_harness.errors import HarnessError, UserError

if TYPE_CHECKING:
    from analysis.comparing.compare import Difference
    from analysis.fitting.estimate import Estimate
    from analysis.forecasting.forecast import Forecast
    from analysis.forecasting.source import Source


def forecast(options: Namespace) -> int:
    """What a fit, or a paper, says of a budget, a shape or a loss."""
    from analysis.forecasting.forecast import forecast as forecast_from
    from analysis.forecasting.source import open_source, with_batch
    from analysis.to_json import to_json

    source = open_source(options.source)
    found = forecast_from(
        source if options.batch is None else with_batch(source, options.batch),
        train_flops=options.flops,
        n_params=options.n_params,
        n_tokens=options.n_tokens,
        loss=options.loss,
    )
    rows = [
        {"quantity": name, "value": e.value, "2.5 %": (e.ci95 or ("", ""))[0], "97.5 %": (e.ci95 or ("", ""))[1]}
        for name, e in found.quantities.items()
    ]
    if not options.json:
        print(f"{found.asked}, by {found.source}")
    print_rows(options, to_json(found), rows)
    if not options.json:
        _print_cost(options, found)
        distance = "unknown" if found.decades_beyond is None else f"{found.decades_beyond:.2f} decades"
        _print_sentences([f"distance from the runs: {distance}"], found.warnings)
    return 0


def _print_cost(options: Namespace, found: "Forecast") -> None:
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
    print_rows(options, None, rows)
    if found.regret:
        lost, wasted = found.regret.extra_loss_nats, found.regret.wasted_compute
        print(
            f"expected regret of following this fit: {lost.value:.3g} in loss, {wasted.value:.1%} of the compute "
            f"(mean over resamples; 97.5 % of them below {_top(lost):.3g} and {_top(wasted):.1%})"
        )
    print()


def _top(estimate: "Estimate") -> float:
    return estimate.ci95[1] if estimate.ci95 else estimate.value


def compare(options: Namespace) -> int:
    """Exponents of fits side by side, with their differences."""
    from analysis.comparing.compare import compare as compare_all
    from analysis.forecasting.source import open_source
    from analysis.to_json import to_json

    sources = [open_source(text) for text in options.sources]
    found = compare_all(sources, train_flops=options.flops)
    document = to_json(found)
    sentence = ""
    if options.common:
        document["common_exponent"], sentence = _common(sources)
    if options.json:
        print(json.dumps(document))
        return 0
    print_rows(options, document, [{k: v or "" for k, v in row.items()} for row in document["sources"]])
    print_rows(options, document, [_difference_row(difference) for difference in found.differences])
    refused = [f"not compared: {row['what']} of {row['pair']}: {row['reason']}" for row in found.refused]
    _print_sentences([sentence] if sentence else [], [*refused, *found.warnings])
    return 0


def _difference_row(difference: "Difference") -> dict[str, Any]:
    low, high = difference.estimate.ci95 or (None, None)
    return {
        "quantity": difference.quantity,
        "first": difference.first,
        "second": difference.second,
        "difference": difference.estimate.value,
        "2.5 %": low,
        "97.5 %": high,
        "zero": {None: "?", True: "outside", False: "inside"}[difference.apart],
        "errors": difference.pairing,
    }


def _common(sources: "Sequence[Source]") -> tuple[dict[str, Any], str]:
    """Test of common exponents on the runs the fits were made of."""
    from analysis.comparing.common_exponents import common_exponent
    from analysis.runs.conventions import rows_id
    from analysis.to_json import to_json

    law = sources[0].law
    if law is None or any(s.published or s.law is None or s.law.name != law.name for s in sources):
        raise UserError("--common needs fits of one law, made by `fit --out`: published constants have no runs here")
    groups = {}
    for source in sources:
        runs = load_again(source.settings["source"], source.conventions["count"])
        if rows_id(runs) != source.settings["rows"]:
            raise HarnessError(f"the runs of {source.name} have changed since it was made: fit them again")
        groups[source.name] = runs.frame
    found = common_exponent(groups, law)
    return to_json(found), found.sentence()


def _print_sentences(sentences: Sequence[str], warnings: Sequence[str]) -> None:
    for sentence in (*sentences, *(f"note: {warning}" for warning in warnings)):
        print(sentence)
