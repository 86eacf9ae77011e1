"""Best sizes, regions, and exponents of the reducible loss by architecture, optimiser and domain."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.comparing.equivalence import Group, ReducibleExponents, reducible_exponents, verdict
from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import fit
from analysis.laws.learning_curve import bounded
from analysis.papers.figure import Figure, LackingRunsError, PaperTable
from analysis.papers.hestness2017.evidence import Evidence, size_law
from analysis.papers.hestness2017.regions import NoPowerLawError, beyond_guessing, entropy_of, limit_of, regions_of
from analysis.papers.tidy import Panel, drawing, rows, slope_through, tidy

TEXT, KNOWN = ("hestness/text",), ("hestness/grammar",)
SAME = ("hestness/architectures",)
DOMAINS = ("hestness/text", "hestness/code", "hestness/grammar", "hestness/quanta")
BETA_P = 0.69
"""Of the paper's word models; its text says that all lie in [.5, 1)."""
DISTINCT, LOSS, REDUCIBLE = "D, distinct {unit}s", "held-out loss, nats/{unit}", "L - E, nats/{unit}"
RESAMPLES = 400
SEEN_ABOVE = 0.01
"""Share of the lowest loss below which a fitted limit has run to 0: on a log axis it would flatten the losses."""


def only_domain(evidence: Evidence) -> str:
    """The domain of most runs."""
    return str(evidence.frame["domain"].mode().iloc[0])


def kaplan_exponent(evidence: Evidence) -> Estimate:
    """Exponent p of D ~ N^p at equal overfitting, by Kaplan's L(N, D) on the same runs."""
    cells = evidence.cells.loc[evidence.cells["domain"] == only_domain(evidence)]
    return fit("kaplan_ln_d", cells, loss="log_squares", resamples=RESAMPLES).params["ratio"]


def _sizes(evidence: Evidence) -> pd.DataFrame:
    curve = evidence.limited_by_data(only_domain(evidence))
    inside = np.asarray(curve["inside"], bool)
    law = size_law(curve)
    span = style.span(curve["D"], n=40)
    parts = [rows("sizes", "best size, inside its grid", "points", curve["D"][inside], curve["N_best"][inside])]
    if not inside.all():
        edge = curve.loc[~inside]
        parts.append(rows("sizes", "at the edge of its grid: left out", "points", edge["D"], edge["N_best"]))
    parts.append(rows("sizes", rf"$N \sim D^{{\beta_p}}$: {law.beta_p:.2f}", "fit", span, law.at(span)))
    used = curve.loc[inside]
    parts.append(slope_through("sizes", f"paper, word models: {BETA_P}", used["D"], used["N_best"], BETA_P))
    return tidy(parts, evidence.unit)


def _found_sizes(table: pd.DataFrame) -> str:
    line = table.loc[table["kind"] == "fit", "series"].iloc[0]
    n_edge = int(np.sum(table["series"].str.startswith("at the edge")))
    n_inside = int(np.sum(table["kind"] == "points")) - n_edge
    return (
        f"The best size grows as D to the power {line.split(': ')[1]}, from {n_inside} data sizes; at {n_edge} others "
        "the best lies at the edge of the sizes trained."
    )


def _regions(evidence: Evidence) -> pd.DataFrame:
    domain = only_domain(evidence)
    every, curve = evidence.curve(domain), evidence.limited_by_data(domain)
    entropy, span = entropy_of(curve), style.span(curve["D"], n=200)
    ends = float(span.min()), float(span.max())
    guess = float(np.log(curve["vocab_size"].iloc[0]))
    parts = [
        rows(domain, "best loss of each D", "points", curve["D"], curve["L"]),
        *_left_out(domain, every),
        rows(domain, "random guess, ln V", "paper", ends, [guess] * 2),
    ]
    try:
        found = regions_of(curve)
    except NoPowerLawError:
        return tidy(parts, evidence.unit)
    parts.append(rows(domain, f"bounded power law, beta {found.beta:.2f}", "fit", span, bounded(found.params, span)))
    limit = found.params["E"] if entropy is None else entropy
    if limit > SEEN_ABOVE * np.min(curve["L"]):
        words = "fitted" if entropy is None else "known"
        parts.append(rows(domain, f"irreducible loss, {words}: {limit:.3f}", "paper", ends, [limit] * 2))
    low, high = float(np.min(curve["L"])), guess
    for name, boundary in (("begins", found.first), ("ends", found.last)):
        if ends[0] <= boundary.value <= ends[1]:
            words = f"power law {name}: D = {style.short(boundary.value)}"
            parts.append(rows(domain, words, "paper", [boundary.value] * 2, [low, high]))
    return tidy(parts, evidence.unit)


def _drawn_regions(ax: Axes, frame: pd.DataFrame) -> Axes:
    """The legend stands above the line of a random guess, where no loss is."""
    ax = drawing(Panel("", DISTINCT, LOSS))(ax, frame)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.25)
    ax.legend(loc="upper right", ncols=2, fontsize=7)
    return ax


def _left_out(panel: str, curve: pd.DataFrame) -> list[pd.DataFrame]:
    """Data sizes whose losses the steps limit."""
    falling = curve.loc[np.asarray(curve["still_falling"], bool)]
    words = "still falling at its last step: left out"
    return [] if falling.empty else [rows(panel, words, "points", falling["D"], falling["L"])]


def _found_regions(table: pd.DataFrame) -> str:
    points = table.loc[(table["kind"] == "points") & ~table["series"].str.startswith("still falling")]
    n_left = int(np.sum(table["series"].str.startswith("still falling")))
    words = [str(s) for s in table["series"].unique() if str(s).startswith("power law ")]
    missing = [end for end in ("begins", "ends") if not any(f"power law {end}" in each for each in words)]
    not_seen = {"begins": "no guessing region within the data", "ends": "no irreducible region within the data"}
    guess = table.loc[table["series"].str.startswith("random guess"), "y"].iloc[0]
    said = "; ".join([*words, *(not_seen[end] for end in missing)])
    if "fit" not in set(table["kind"]):
        said = "no three regions can be told apart: a bounded curve leaves too few data sizes to its power law"
    if n_left:
        said += f"; left out, as the best run was still falling at its last step: {n_left} of the data sizes"
    return (
        f"The curve falls from {points['y'].max():.2f} nats, {points['y'].max() / guess:.0%} of a random guess, to "
        f"{points['y'].min():.2f}; {said}."
    )


def of_one_text(evidence: Evidence) -> ReducibleExponents:
    """Exponents by architecture and optimiser on the domain of most runs, one E."""
    domain = only_domain(evidence)
    limit = limit_of(evidence.limited_by_data(domain))
    groups = {name: Group(part, domain, limit) for name, part in _variants(evidence).items()}
    if len(groups) < 2:
        raise LackingRunsError(f"all runs on {domain} are of one architecture and optimiser, {next(iter(groups))}")
    return reducible_exponents(groups)


def _variants(evidence: Evidence) -> dict[str, pd.DataFrame]:
    """Losses of each architecture and optimiser on the domain of most runs, at the data sizes that all of them have.

    Of those where the data limit them and the power law has begun: a curve that bends has another slope elsewhere.
    """
    best = evidence.best
    kept = best.loc[(best["domain"] == only_domain(evidence)) & ~np.asarray(best["still_falling"], bool)]
    groups = {f"{a}, {o}": part for (a, o), part in kept.groupby(["architecture", "optimiser"])}
    common = set.intersection(*(set(beyond_guessing(part)["D"]) for part in groups.values()))
    return {name: part.loc[part["D"].isin(list(common))] for name, part in groups.items()}


def of_domains(evidence: Evidence) -> ReducibleExponents:
    """Exponents by domain, each with its own E, beyond the guessing region where one is detected."""
    domains = list(dict.fromkeys(evidence.frame["domain"]))
    if len(domains) < 2:
        raise LackingRunsError(f"all runs are of one domain, {domains[0]}")
    groups = {}
    for domain in domains:
        curve = evidence.limited_by_data(domain)
        groups[domain] = Group(beyond_guessing(curve), domain, limit_of(curve))
    return reducible_exponents(groups)


def _reducible(evidence: Evidence, found: ReducibleExponents, curves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    parts = []
    for name, curve in curves.items():
        limit = found.limits.get(str(curve["domain"].iloc[0]), 0.0)
        above = curve["L"] - limit
        parts.append(rows("reducible", name, "points", curve["D"][above > 0], above[above > 0]))
    for name, curve in curves.items():
        beta, span = found.exponents[name], style.span(curve["D"], n=40)
        level = found.coefficients[name] * span**-beta.value
        parts.append(rows("reducible", f"{name}: {beta:.3f}", "fit", span, level))
    return tidy(parts, evidence.unit)


def _same_text(evidence: Evidence) -> pd.DataFrame:
    found = of_one_text(evidence)
    return _reducible(evidence, found, _variants(evidence))


def _by_domain(evidence: Evidence) -> pd.DataFrame:
    found = of_domains(evidence)
    return _reducible(
        evidence, found, {name: beyond_guessing(evidence.limited_by_data(name)) for name in found.exponents}
    )


def _found_slopes(table: pd.DataFrame) -> str:
    lines = table.loc[table["kind"] == "fit", "series"].drop_duplicates()
    return "Exponents of the reducible loss (95 %): " + "; ".join(lines) + "; the table has the tests."


def _tests(found: ReducibleExponents) -> pd.DataFrame:
    differences = found.differences()
    lines = []
    for each in differences:
        low, high = each.interval(0.90)
        lines.append(
            {
                "first": each.first,
                "second": each.second,
                "difference": f"{each.value:+.3f}",
                "90 %": f"[{low:+.3f}, {high:+.3f}]",
                "verdict": each.verdict,
                "power, if equal": f"{each.power:.0%}",
            }
        )
    total = {"first": "all", "second": "", "difference": "", "90 %": "", "verdict": verdict(differences)}
    if found.at_zero:
        total["verdict"] += f"; E of {', '.join(found.at_zero)} ran to 0, so that there they are of the whole loss"
    return pd.DataFrame([*lines, total | {"power, if equal": ""}])


FIGURES = (
    Figure(
        "sizes",
        "Best size against data",
        "the more distinct tokens, the larger the best size, as a power below 1: the inverse of Kaplan's D ~ N^.74.",
        "five sizes a factor of 2 apart for each D: the best one of each D is known to some 30 %.",
        TEXT,
        _sizes,
        drawing({"sizes": Panel("", DISTINCT, "best N (with head), parameters", y_as=style.short)}),
        _found_sizes,
    ),
    Figure(
        "regions",
        "A learning curve from random guessing on",
        "flat near the loss of a random guess, then a power law; text ends before any irreducible region.",
        "64 to 131,072 distinct bytes, where the best checkpoint comes before the last step; the loss falls by half.",
        TEXT,
        _regions,
        _drawn_regions,
        _found_regions,
    ),
    Figure(
        "regions-known",
        "The same where the irreducible loss is known",
        "three regions: the loss ends at the entropy of the grammar.",
        "a grammar whose rules can be learned from 1e6 tokens; its entropy is exact.",
        KNOWN,
        _regions,
        _drawn_regions,
        _found_regions,
    ),
    Figure(
        "architectures",
        "Reducible loss of architectures and optimisers",
        "parallel lines: they move the curve and do not turn it.",
        "one size and five data sizes a factor of 2 apart, one E for all; exponents are known to some .02.",
        SAME,
        _same_text,
        drawing({"reducible": Panel("", DISTINCT, REDUCIBLE)}),
        _found_slopes,
    ),
    Figure(
        "domains",
        "Reducible loss of domains",
        "lines of different slopes: text, code, and sources whose exponent is predicted.",
        "each has an E of its own, known for the sources and fitted for texts, where it widens the interval.",
        DOMAINS,
        _by_domain,
        drawing({"reducible": Panel("", "D, distinct tokens", "L - E, nats per token")}),
        _found_slopes,
    ),
)
TABLES = (
    PaperTable(
        "equivalence",
        "Are exponents of architectures and optimisers equal within .02?",
        "two one-sided tests at 5 % a pair; the power is the probability that equal exponents would pass, with runs as "
        "noisy as these",
        SAME,
        lambda evidence: _tests(of_one_text(evidence)),
    ),
    PaperTable(
        "domains",
        "Do exponents of domains differ by more than .02?",
        "different: the 95 % interval lies outside the margin",
        DOMAINS,
        lambda evidence: _tests(of_domains(evidence)),
    ),
)
