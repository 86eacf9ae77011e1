"""Besiroglu et al. 2024, a replication attempt: the refit of Hoffmann's points, and what went wrong."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import minimize

from analysis.arrays import Array
from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import fit
from analysis.fitting.objective import Objective
from analysis.fitting.optimum import fit_point
from analysis.fitting.resample import draw_params
from analysis.fitting.result import FitResult, build_estimates
from analysis.laws.chinchilla import chinchilla
from analysis.laws.cost_model import SIX_ND
from analysis.laws.law import FLOPS_PER_PARAM_TOKEN
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import Figure, LawRow, Paper, PaperTable, public_table
from analysis.papers.tidy import Panel, drawing, rows, tidy, with_room
from scaling_harness.errors import HarnessError

POINTS = "besiroglu2024"
N_OUTLIERS = 5
MOST_DROPPED = 12
RESAMPLES = 1000
DELTA = 1e-3
GOPHER = 5.76e23  # FLOP
NAMES = ("E", "A", "B", "alpha", "beta")
CONSTANTS = {
    "Hoffmann, rounded": "hoffmann2022_rounded",
    "Hoffmann, TeX": "hoffmann2022",
    "Besiroglu, printed": "besiroglu2024",
}
LEVEL = 0.8  # of the band that the paper draws
HOFFMANN_A = PUBLISHED["hoffmann2022_rounded"].a_ci or (np.nan, np.nan)
FACTORS = np.geomspace(1e-3, 1e7, 21)


@cache
def points(n_dropped: int = N_OUTLIERS) -> pd.DataFrame:
    """N, C, D = C / 6N and L of the points read from Hoffmann's figure 4, without those of largest loss."""
    table = public_table(POINTS)
    frame = pd.DataFrame({"N": table["Model Size"], "C": table["Training FLOP"], "L": table["loss"]})
    frame = frame.assign(D=frame["C"] / (FLOPS_PER_PARAM_TOKEN * frame["N"]))
    return frame.nsmallest(len(frame) - n_dropped, "L")


@cache
def refit() -> FitResult:
    """The exact minimum of Hoffmann's objective on the 240 points, rows drawn again for the intervals."""
    return fit(chinchilla, points(), delta=DELTA, resamples=RESAMPLES)


def stopped(scale: float, start: Mapping[str, float]) -> tuple[dict[str, float], int]:
    """Where scipy's L-BFGS-B stops with its default tolerances, if the sum of Huber's loss is multiplied by a factor.

    Its tolerance on the gradient is absolute: with the mean, a factor of 1/240, it is met far from the minimum.

    Parameters
    ----------
    scale : float
        1 for the sum over the 240 points, 1 / 240 for their mean.
    start : mapping
        Parameters to start from.

    Returns
    -------
    dict, int
        Parameters, and iterations.
    """
    frame = points()
    log_n, log_d, log_loss = (np.log(frame[name].to_numpy(float)) for name in ("N", "D", "L"))

    def objective(z: Array) -> tuple[float, Array]:
        terms = np.stack((z[0] - z[3] * log_n, z[1] - z[4] * log_d, np.full(len(log_n), z[2])))
        log_fitted = np.logaddexp.reduce(terms, axis=0)
        residuals, shares = log_fitted - log_loss, np.exp(terms - log_fitted)
        core = np.minimum(np.abs(residuals), DELTA)
        by_n, by_d, by_e = shares * np.clip(residuals, -DELTA, DELTA)
        gradient = np.array([by_n.sum(), by_d.sum(), by_e.sum(), -(by_n @ log_n), -(by_d @ log_d)])
        return scale * float((core * (np.abs(residuals) - 0.5 * core)).sum()), scale * gradient

    z = [np.log(start["A"]), np.log(start["B"]), np.log(start["E"]), start["alpha"], start["beta"]]
    found = minimize(objective, z, jac=True, method="L-BFGS-B")
    a, b, e, alpha, beta = found.x
    params = {"E": np.exp(e), "A": np.exp(a), "B": np.exp(b), "alpha": alpha, "beta": beta}
    return {name: float(value) for name, value in params.items()}, int(found.nit)


def objective_of(params: Mapping[str, float]) -> float:
    """Sum of Huber's loss on the residuals of ln L."""
    size = np.abs(_residuals(params))
    core = np.minimum(size, DELTA)
    return float((core * (size - 0.5 * core)).sum())


def _residuals(params: Mapping[str, float]) -> Array:
    frame = points()
    return np.log(frame["L"].to_numpy(float)) - np.log(chinchilla.predict(params, N=frame["N"], D=frame["D"]))


def _a(params: Mapping[str, float]) -> float:
    return params["beta"] / (params["alpha"] + params["beta"])


def distance(result: FitResult, key: str) -> float:
    """P of a Wald test that published constants are those of the points: E, ln A, ln B, alpha, beta together."""
    there = {name: np.atleast_1d(value) for name, value in PUBLISHED[key].params.items()}

    def stacked(values: Mapping[str, Any]) -> Array:
        return np.stack([np.log(values[name]) if name in "AB" else np.asarray(values[name]) for name in NAMES])

    centre = np.array([np.log(v) if name in "AB" else v for name, v in ((n, result.values[n]) for n in NAMES)])
    away = stacked(there)[:, 0] - centre
    return float(stats.chi2.sf(away @ np.linalg.solve(np.cov(stacked(result.draws)), away), len(NAMES)))


def _histogram(panel: str, words: str, values: Array, edges: Array) -> pd.DataFrame:
    """Counts as a line of steps."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return rows(panel, words, "fit", np.repeat(edges, 2), np.concatenate([[0], np.repeat(counts, 2), [0]]))


def _figure_1(_: object) -> pd.DataFrame:
    ours = refit().values
    edges = np.linspace(-3, 3, 41)
    parts = []
    for words, params in (("refit", ours), ("Hoffmann, TeX", PUBLISHED["hoffmann2022"].params)):
        residuals = 100 * _residuals(params)
        parts.append(_histogram("histogram", f"{words}: mean {residuals.mean():+.2f} %", residuals, edges))
        parts.append(rows("compute", words, "points", points()["C"], residuals))
    parts.append(rows("compute", "0", "paper", [points()["C"].min(), points()["C"].max()], [0, 0]))
    return tidy(parts, "token")


def _found_1(_: pd.DataFrame) -> str:
    said = []
    for words, params in (("refit", refit().values), ("Hoffmann's constants", PUBLISHED["hoffmann2022"].params)):
        residuals = 100 * _residuals(params)
        said.append(
            f"{words}: mean {residuals.mean():+.2f} %, median {np.median(residuals):+.2f} %, "
            f"{(residuals > 0).mean():.0%} above, objective {objective_of(params):.6f}"
        )
    p = distance(refit(), "hoffmann2022")
    return "; ".join(said) + f". A Wald test of the constants gives p = {p:.0e} (published: below 1e-51)."


def _figure_2(_: object) -> pd.DataFrame:
    result = refit()
    draws = result.draws["beta"] / (result.draws["alpha"] + result.draws["beta"])
    low, high = np.percentile(draws, [10, 90])
    edges = np.linspace(draws.min(), draws.max(), 40)
    histogram = _histogram("a", f"a of {RESAMPLES:,} resamples, 80 %: {low:.3f} to {high:.3f}", draws, edges)
    top = histogram["y"].to_numpy(float).max()
    parts = [histogram]
    for words, at in (
        ("Hoffmann, 80 %: .454 to .455", float(np.mean(HOFFMANN_A))),
        ("Besiroglu: .5126", PUBLISHED["besiroglu2024"].a or np.nan),
        ("Hoffmann, approach 1: .50", 0.50),
    ):
        parts.append(rows("a", words, "paper", [at, at], [0, top]))
    return tidy(parts, "token")


def _found_2(_: pd.DataFrame) -> str:
    a = refit().derived["a"]
    stderr = a.stderr or np.nan
    half = (HOFFMANN_A[1] - HOFFMANN_A[0]) / 2
    needed = len(points()) * (stderr * float(stats.norm.ppf((1 + LEVEL) / 2)) / half) ** 2
    return (
        f"a is {a:.3f}, standard error {stderr:.3f} (published: .018). An interval as narrow as Hoffmann's "
        "would need some "
        f"{needed:,.0f} runs, where there are {len(points())}."
    )


def _ratio(params: Mapping[str, Any], C: Array) -> Array:
    return chinchilla.optimal(params, C).tokens_per_param


def _figure_3(_: object) -> pd.DataFrame:
    C = np.geomspace(1e18, 1e28, 60)
    result = refit()
    drawn = _ratio({name: values[:, None] for name, values in result.draws.items()}, C)
    low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    gap = [np.nan]
    parts = [
        rows("ratio", "refit", "fit", C, _ratio(result.values, C)),
        rows("ratio", "refit, 80 % band", "paper", [*C, *gap, *C], [*low, *gap, *high]),
    ]
    for words, key in (("Hoffmann, TeX", "hoffmann2022"), ("Hoffmann, rounded", "hoffmann2022_rounded")):
        parts.append(rows("ratio", words, "fit", C, _ratio(PUBLISHED[key].params, C)))
    parts.append(rows("ratio", "20, as Chinchilla was trained", "paper", C[[0, -1]], [20, 20]))
    return tidy(parts, "token")


def _found_3(table: pd.DataFrame) -> str:
    band = table.loc[table["series"] == "refit, 80 % band"].dropna(subset=["y"])
    at = band.iloc[(np.log(band["x"]) - np.log(1e26)).abs().argsort()[:2]]["y"]
    ours = float(_ratio(refit().values, np.array([GOPHER]))[0])
    theirs = {words: float(_ratio(PUBLISHED[key].params, np.array([GOPHER]))[0]) for words, key in CONSTANTS.items()}
    return (
        f"At 1e26 FLOP the band is {at.min():.0f} to {at.max():.0f} tokens a parameter (published: 4 to 40). "
        "At Gopher's "
        f"budget the refit says {ours:.1f}, "
        + ", ".join(f"{words} {value:.1f}" for words, value in theirs.items())
        + "; Chinchilla was trained on 20."
    )


@cache
def _stops() -> pd.DataFrame:
    """Where the solver stops, by the factor on the objective, from Hoffmann's rounded values."""
    best = refit().objective
    found = []
    for scale in sorted({*FACTORS, 1.0, 1 / len(points())}):
        params, n_steps = stopped(scale, PUBLISHED["hoffmann2022"].params)
        above = objective_of(params) / best - 1
        found.append({"scale": scale, "a": _a(params), "above": above, "n_steps": n_steps, **params})
    return pd.DataFrame(found)


def _figure_4(_: object) -> pd.DataFrame:
    stops = _stops()
    special = {"sum over the points": 1.0, "mean over the points": 1 / len(points())}
    parts = []
    for panel, y in (("exponent", "a"), ("objective", "above")):
        shown = 100 * stops[y] if y == "above" else stops[y]
        others = ~stops["scale"].isin(list(special.values()))
        parts.append(rows(panel, "where L-BFGS-B stops", "points", stops.loc[others, "scale"], shown[others]))
        for words, scale in special.items():
            at = shown[stops["scale"] == scale]
            parts.append(rows(panel, words, "points", [scale], at))
    ends = stops["scale"].iloc[[0, -1]]
    parts += [
        rows("exponent", "published by Hoffmann: .4565", "paper", ends, [_a(PUBLISHED["hoffmann2022"].params)] * 2),
        rows(
            "exponent",
            f"the minimum: {refit().derived['a'].value:.4f}",
            "paper",
            ends,
            [refit().derived["a"].value] * 2,
        ),
        rows("objective", "the minimum", "paper", ends, [0, 0]),
    ]
    return tidy(parts, "token")


def _found_4(_: pd.DataFrame) -> str:
    stops = _stops()
    by_mean, by_sum, last = (stops.loc[stops["scale"] == scale].iloc[0] for scale in (1 / len(points()), 1.0, 1e7))
    return (
        f"From the values that Hoffmann printed, L-BFGS-B with default tolerances stops after {by_mean['n_steps']:.0f} "
        f"iterations on the mean, at alpha {by_mean['alpha']:.4f}, beta {by_mean['beta']:.4f}, a "
        f"{by_mean['a']:.4f} (published: "
        f".3392, .2849, .4565), and after {by_sum['n_steps']:.0f} on the sum, at a {by_sum['a']:.4f}: its "
        "tolerances are "
        f"absolute. Multiplied by 1e7 the same start ends at a {last['a']:.4f}, {100 * last['above']:.2g} % "
        "above the minimum."
    )


@cache
def _by_outliers() -> pd.DataFrame:
    """E, alpha, beta and a, each with its interval by the sandwich, by how many points are left out."""
    return pd.DataFrame([{"n": n, **without(n)} for n in range(MOST_DROPPED + 1)])


@cache
def without(n_dropped: int) -> dict[str, Estimate]:
    """The parameters and a without the points of largest loss, intervals by the sandwich."""
    frame = points(n_dropped)
    inputs = {name: frame[name].to_numpy(float) for name in chinchilla.inputs}
    point = fit_point(chinchilla, inputs, frame["L"].to_numpy(float), Objective(delta=DELTA))
    draws = draw_params(point, "sandwich", RESAMPLES, np.random.default_rng(0))
    params, derived = build_estimates(chinchilla, point.params, draws, SIX_ND)
    return {**params, "a": derived["a"]}


def _figure_5(_: object) -> pd.DataFrame:
    table = _by_outliers()
    parts = []
    for panel, names in (("exponents", ("alpha", "beta")), ("a", ("a",))):
        for name in names:
            values = table[name]
            ends = [each.ci95 or (np.nan, np.nan) for each in values]
            low, high = zip(*ends, strict=True)
            parts.append(rows(panel, name, "points", table["n"], [v.value for v in values], low=low, high=high))
    parts.append(rows("exponents", "5, as the paper", "paper", [5, 5], [0.3, 0.5]))
    parts.append(rows("a", "Besiroglu: .5126", "paper", [0, MOST_DROPPED], [0.5126] * 2))
    parts.append(rows("a", "Hoffmann: .4565", "paper", [0, MOST_DROPPED], [0.4565] * 2))
    return tidy(parts, "token")


def _found_5(_: pd.DataFrame) -> str:
    table = _by_outliers().set_index("n")
    every, kept = table.loc[0], table.loc[N_OUTLIERS]
    return (
        f"With all 245 points beta is {every['beta'].value:.3f} and E {every['E'].value:.3f} (published: .452 "
        "and 1.89), without "
        f"the five of largest loss {kept['beta'].value:.3f} and {kept['E'].value:.3f}; a moves from "
        f"{every['a'].value:.3f} to "
        f"{kept['a'].value:.3f}, {abs(every['a'].value - kept['a'].value) / (kept['a'].stderr or np.nan):.1f} "
        "of its standard "
        "errors."
    )


def parameters_table(_: object) -> pd.DataFrame:
    """Each parameter as published and ours, with standard errors; the 245 points beside the 240."""
    result, every, printed = refit(), without(0), PUBLISHED["besiroglu2024"]
    hoffmann = PUBLISHED["hoffmann2022"]
    cells = []
    for name in (*NAMES, "a"):
        ours = result.derived["a"] if name == "a" else result.params[name]
        theirs = printed.a if name == "a" else printed.params[name]
        old = hoffmann.a if name == "a" else hoffmann.params[name]
        cells.append(
            {
                "parameter": name,
                "Hoffmann, printed": f"{old:.5g}",
                "Besiroglu, printed (standard error)": f"{theirs:.5g} ({printed.stderr[name]:.3g})",
                "ours, 240 points (standard error)": f"{ours.value:.5g} ({ours.stderr or np.nan:.3g})",
                "ours, 95 %": f"{ours:.4g}",
                "ours, 245 points": f"{every[name].value:.5g}",
            }
        )
    return pd.DataFrame(cells)


def rounding_table(_: object) -> pd.DataFrame:
    """What digits of the constants decide: a, D/N, and how far the points lie from the law."""
    sets = {words: PUBLISHED[key].params for words, key in CONSTANTS.items()} | {"ours": refit().values}
    ours = refit().values
    sets["ours, exponents of 2 digits"] = {**ours, "alpha": round(ours["alpha"], 2), "beta": round(ours["beta"], 2)}
    cells = []
    for words, params in sets.items():
        residuals = 100 * _residuals(params)
        cells.append(
            {
                "constants": words,
                "alpha": f"{params['alpha']:.4f}",
                "beta": f"{params['beta']:.4f}",
                "a": f"{_a(params):.4f}",
                "D/N at 5.76e23 FLOP": f"{float(_ratio(params, np.array([GOPHER]))[0]):.1f}",
                "mean residual": f"{residuals.mean():+.2f} %",
                "objective": f"{objective_of(params):.6f}",
            }
        )
    return pd.DataFrame(cells)


def law_rows(_: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """The refitted law as printed and ours."""
    printed = PUBLISHED["besiroglu2024"]
    try:
        result = refit()
    except HarnessError as error:
        return [LawRow("L(N, D) of Hoffmann's points", "E 1.8172, alpha .3478, beta .3658", f"not fitted: {error}", "")]
    found = [
        LawRow(
            f"{name} of L(N, D)",
            f"{printed.params[name]:.5g} ({printed.stderr[name]:.3g})",
            f"{result.params[name]:.4g}",
            "the same points: printed is 1 to 3 % off the exact minimum in A and B"
            if name in "AB"
            else "the same points",
        )
        for name in NAMES
    ]
    return [*found, LawRow("a", "0.5126 (0.018)", f"{result.derived['a']:.4g}", "the same points")]


def _nothing(_: Sequence[Path]) -> None:
    """It reads no runs."""


_PUBLIC = (POINTS,)
besiroglu2024 = Paper(
    "besiroglu2024",
    "Besiroglu et al. 2024, Chinchilla Scaling: A replication attempt",
    (
        Figure(
            "1",
            "Residuals under Hoffmann's constants and under the refit",
            "the refit's residuals are centred on zero; under Hoffmann's constants most points lie above the law.",
            "240 points: the shift is half of their scatter, and so several times the standard error of a mean.",
            (),
            _figure_1,
            with_room(
                {
                    "histogram": Panel("", "ln L minus the law, %", "points", log_x=False, log_y=False),
                    "compute": Panel("", "C, FLOP", "ln L minus the law, %", x_as=style.power, log_y=False),
                },
                above=0.3,
            ),
            _found_1,
            _PUBLIC,
        ),
        Figure(
            "2",
            "How sure the exponent is",
            "resampled exponents spread by .02, Hoffmann's 80 % interval is .001 wide.",
            "rows drawn again 1,000 times, every draw refitted to its exact minimum.",
            (),
            _figure_2,
            with_room({"a": Panel("", "a", "resamples", log_x=False, log_y=False)}, above=0.35),
            _found_2,
            _PUBLIC,
        ),
        Figure(
            "3",
            "Tokens a parameter against compute",
            "the refit holds 20 tokens a parameter inside its band at all budgets; Hoffmann's constants run away "
            "from it.",
            "the same resamples.",
            (),
            _figure_3,
            drawing({"ratio": Panel("", "C, FLOP", "D / N", x_as=style.power)}),
            _found_3,
            _PUBLIC,
        ),
        Figure(
            "4",
            "Where the solver stops",
            "averaging the loss instead of summing it makes the solver stop at its start, the published answer.",
            "no noise: one start, one solver, the objective multiplied by a factor.",
            (),
            _figure_4,
            drawing(
                {
                    "exponent": Panel("", "factor on the sum", "a where it stops", x_as=style.power, log_y=False),
                    "objective": Panel(
                        "", "factor on the sum", "objective above the minimum, %", x_as=style.power, log_y=False
                    ),
                }
            ),
            _found_4,
            _PUBLIC,
        ),
        Figure(
            "5",
            "What the outliers decide",
            "the five points of largest loss move beta and E by several standard errors, and a by as many as two.",
            "intervals of 95 % by the sandwich.",
            (),
            _figure_5,
            with_room(
                {
                    "exponents": Panel("", "points of largest loss left out", "exponent", log_x=False, log_y=False),
                    "a": Panel("", "points of largest loss left out", "a", log_x=False, log_y=False),
                },
                below=0.35,
            ),
            _found_5,
            _PUBLIC,
        ),
    ),
    _nothing,
    law_rows,
    {"quick": {}},
    (
        PaperTable(
            "1",
            "Parameters and standard errors",
            "ours agree with the refit within a tenth of a standard error.",
            (),
            parameters_table,
            _PUBLIC,
        ),
        PaperTable(
            "2",
            "What rounding does",
            "two digits of Hoffmann's exponents move D/N at Gopher's budget by half; of ours, the losses by 2 %.",
            (),
            rounding_table,
            _PUBLIC,
        ),
    ),
)
