"""One page about several sweeps, fits or papers side by side, in the style of a report."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from analysis import figures
from analysis.comparing.common_of_fits import common_of_fits
from analysis.comparing.compare import (
    LOSS_FIELDS,
    Comparison,
    Difference,
    compare,
    convention_warnings,
    differing,
)
from analysis.figures import style
from analysis.figures.compared import is_drawn
from analysis.figures.style import Labels, inline_svg
from analysis.fitting.result import UNUSABLE
from analysis.forecasting.source import Source
from analysis.report.page import csv_link, csv_text, render
from analysis.report.provenance import recipe_values, records_of
from analysis.report.summary import or_reason
from analysis.report.tables import Table, number, table
from analysis.runs.reload import reload_runs
from analysis.to_json import to_json
from scaling_harness.record.atomic_files import write_json, write_text
from scaling_harness.record.record import RunRecord

SECTIONS = (
    ("laws", "Laws"),
    ("differences", "Differences"),
    ("recipes", "Recipes"),
    ("refused", "Refused"),
    ("warnings", "Warnings"),
)
EQUAL_LOSS = "ln(C2/C1)"
VERDICTS = {None: "No interval", True: "Beyond noise", False: "Within noise"}


def write_comparison(sources: Sequence[Source], html: Path, train_flops: float | None = None) -> Path:
    """Compare sources and write a page, and what it says as JSON beside it.

    Parameters
    ----------
    sources : sequence of Source
        Two or more.
    html : Path
        Where the page goes; the JSON has its name with the suffix .json.
    train_flops : float, optional
        Budget at which the compute for equal loss is compared; by default the largest that all of them have runs at.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    HarnessError
        No two of them have anything in common.
    """
    train_flops = train_flops or _common_budget(sources)
    comparison = compare(sources, train_flops=train_flops)
    common, why_not = or_reason(lambda: common_of_fits(sources))
    document = to_json(comparison) | {"train_flops": train_flops, "laws": [_law(source) for source in sources]}
    document |= {"common_exponent": to_json(common) if common else {"reason": why_not}}
    page = render(
        "comparison.html.j2",
        document,
        title=f"{_listed([source.name for source in sources])} compared",
        question="Do they scale alike, and which needs less compute for the same loss?",
        banner=_banner(sources),
        sections=SECTIONS,
        said=_said(comparison),
        common=common.sentence() if common else f"Common exponents were not tested: {why_not}.",
        figure=_figure(sources),
        differences=_differences(comparison),
        laws=_laws(sources),
        recipes=_recipes(sources),
        refused=table(("what", "of", "reason"), [(r["what"], r["pair"], r["reason"]) for r in comparison.refused]),
        warnings=comparison.warnings,
    )
    write_text(html, page)
    write_json(html.with_suffix(".json"), document)
    return html


def _common_budget(sources: Sequence[Source]) -> float | None:
    """The largest compute that every source with runs has; None if no runs are known."""
    ends = [source.input_ranges["C"][1] for source in sources if "C" in source.input_ranges]
    return min(ends) if ends else None


def _listed(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _banner(sources: Sequence[Source]) -> Sequence[tuple[str, str | None]]:
    """Fits that must not be used, and conventions that differ: they change how the rest must be read."""
    unusable = [(note, None) for source in sources for note in source.notes if UNUSABLE in note]
    unusable += _shared_runs(sources)
    first, *rest = sources
    apart = {name: None for other in rest for name in differing(first, other) if name != "recipe"}
    if not apart:
        return unusable
    sentences = [
        sentence for other in rest for sentence in convention_warnings(first, other) if " differ in " in sentence
    ]
    return [*unusable, (f"They differ in {', '.join(apart)}", "; ".join(sentences))]


def _shared_runs(sources: Sequence[Source]) -> list[tuple[str, str | None]]:
    """A sentence for every two sides that have runs in common."""
    ids = [{record.run_id for record in _records(source)} for source in sources]
    return [
        (
            f"{sources[i].name} and {sources[j].name} have {n} runs in common",
            "their intervals of differences take both sides as independent, which they are not",
        )
        for i, j in combinations(range(len(sources)), 2)
        if (n := len(ids[i] & ids[j]))
    ]


def _said(comparison: Comparison) -> list[tuple[str, str]]:
    """The difference of each pair in a, and in compute for equal loss: a verdict and a sentence."""
    lines = []
    for each in comparison.differences:
        verdict = VERDICTS[each.apart]
        if each.quantity.startswith(EQUAL_LOSS):
            budget = each.quantity.removeprefix(f"{EQUAL_LOSS} at ")
            needs = f"{each.second} needs {_factor(each)} times the compute"
            lines.append((verdict, f"For the loss that {each.first} reaches at {budget}, {needs}."))
        elif each.quantity == "a":
            apart = f"that of {each.second} is {each.estimate:.3f}"
            lines.append((verdict, f"The exponent a of {each.first} minus {apart} ({each.pairing})."))
    return lines


def _factor(difference: Difference) -> str:
    value, ends = difference.estimate.value, difference.estimate.ci95
    interval = f" [{', '.join(number(np.exp(end), 3) for end in ends)}]" if ends else ""
    return f"{number(np.exp(value), 3)}{interval}"


def _law(source: Source) -> dict[str, Any]:
    """What a source says of itself, for the JSON."""
    return {
        "source": source.name,
        "law": source.law.name if source.law else None,
        "exponents": to_json(source.exponents),
    }


def _laws(sources: Sequence[Source]) -> Table:
    """Each source with its exponents, its irreducible loss and the compute of its runs."""
    names = list(dict.fromkeys(name for source in sources for name in source.exponents))
    rows = [
        (
            source.name,
            source.law.formula if source.law else "no law of the loss",
            *(f"{source.exponents[name]:.3f}" if name in source.exponents else "–" for name in names),
            _offset(source),
            _range(source),
        )
        for source in sources
    ]
    return table(("source", "law", *names, "E, nats", "C of the runs, FLOP"), rows)


def _offset(source: Source) -> str:
    name = source.law.offset if source.law else None
    if name is None:
        return "–"
    value = f"{source.values[name]:.3f}"
    if name not in source.draws:
        return value
    low, high = np.percentile(source.draws[name], [2.5, 97.5])
    return f"{value} [{low:.3f}, {high:.3f}]"


def _range(source: Source) -> str:
    ends = source.input_ranges.get("C")
    return f"{number(ends[0], 3)} to {number(ends[1], 3)}" if ends else "not known"


def _differences(comparison: Comparison) -> Table:
    rows = [
        (each.quantity, each.first, each.second, f"{each.estimate:.3f}", VERDICTS[each.apart].lower(), each.pairing)
        for each in comparison.differences
    ]
    return table(("quantity", "of", "minus that of", "difference (95 %)", "verdict", "errors"), rows)


def _recipes(sources: Sequence[Source]) -> Table:
    """Settings that differ between the sources, and of a source without records that they are not known."""
    recipes = {source.name: _recipe(source) for source in sources}
    known = [recipe for recipe in recipes.values() if recipe]
    fields = sorted({name for recipe in known for name in recipe})
    rows = []
    for field in fields:
        values = [recipe.get(field, "–") if recipe else "not known" for recipe in recipes.values()]
        if len({recipe.get(field) for recipe in known}) > 1:
            rows.append((field, *values))
    return table(("setting", *recipes), rows)


def _recipe(source: Source) -> Mapping[str, str]:
    """Settings of the runs behind a source; empty if there are no records of them."""
    return recipe_values(_records(source))


def _records(source: Source) -> Sequence[RunRecord]:
    place = source.settings.get("source")
    runs = or_reason(lambda: reload_runs(place, source.conventions.get("count")))[0] if place else None
    return records_of(runs) if runs else []


def _figure(sources: Sequence[Source]) -> dict[str, Any]:
    """Exponents beside the lowest losses, as the page's templates take a figure."""
    alike = [each for each in sources if is_drawn(each) and not differing(sources[0], each, LOSS_FIELDS)]
    drawn, (left, right) = style.new_figure(2, width=10.0, height=2.4 + 0.4 * len(sources))
    with style.styled():
        figures.exponents(left, sources)
        figures.lowest_losses(right, alike, Labels(unit=sources[0].unit))
    names = [source.name for source in alike]
    losses = f"The lowest losses are those of {_listed(names)}" if len(names) > 1 else "No two lowest losses compare"
    left_out = [source.name for source in sources if source not in alike]
    return {
        "name": "compared",
        "title": "Exponents and lowest losses",
        "see": "intervals that share no value are exponents apart; of two curves the lower one needs less compute.",
        "found": f"{losses}{f'; not of {_listed(left_out)}' if left_out else ''}.",
        "svg": Markup(inline_svg(drawn, "compared")),
        "csv": csv_link(csv_text(_exponents(sources))),
    }


def _exponents(sources: Sequence[Source]) -> pd.DataFrame:
    rows = []
    for source in sources:
        for name, estimate in source.exponents.items():
            low, high = estimate.ci95 or (None, None)
            rows.append({"source": source.name, "exponent": name, "value": estimate.value, "low": low, "high": high})
    return pd.DataFrame(rows)
