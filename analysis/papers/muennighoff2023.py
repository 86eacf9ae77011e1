"""Muennighoff et al. 2023, Scaling Data-Constrained Language Models: what a repeated token is worth.

From the authors' runs, from our own epochs over few tokens, and for Hernandez et al. 2022, who repeat a small part of
otherwise unique tokens: in closed form, and trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import assemble, objective_named
from analysis.fitting.optimum import fit_point
from analysis.fitting.resample import draw_params
from analysis.fitting.result import FitResult
from analysis.laws.muennighoff import effective_inputs, muennighoff, size_of_equal_loss, tokens_of_loss, tokens_worth
from analysis.laws.published import PUBLISHED
from analysis.papers.by_setting import percent, runs_by
from analysis.papers.figure import Figure, LackingRunsError, LawRow, Paper, PaperTable, public_table
from analysis.papers.tidy import Panel, drawing, rows, tidy, with_room
from analysis.runs.conventions import unit_of
from analysis.runs.from_records import is_sweep
from analysis.runs.load import load_runs
from analysis.runs.selection import Selection
from scaling_harness.errors import HarnessError, UserError

NEEDS, PUBLIC = ("muennighoff/epochs", "reproduce-quick"), ("muennighoff2023",)
PAPER = PUBLISHED["muennighoff2023"].params
MIN_REPEATS = 6
MOST_SIZES = 3  # panels of a figure
STARTS, RESAMPLES, DELTA = 8, 1000, 1e-3
MIXED = ("muennighoff/hernandez",)
SHARE, FEW = "data.fraction", "data.n_repeated_tokens"
HERNANDEZ = {"n_params": 8e8, "n_tokens": 1e11, "share": 0.1, "times": 100.0}
"""Abstract of Hernandez et al. 2022: .1 % of the data repeated 100 times halve the worth of 800M parameters."""


@dataclass(frozen=True)
class Evidence:
    """Runs with N, D, U (unique tokens seen), L."""

    frame: pd.DataFrame
    unit: str
    paths: tuple[Path, ...] = ()

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Evidence":
        """Read sweeps or archives with all their repeats.

        Raises
        ------
        UserError
            None, or a table.
        """
        if not paths or not all(is_sweep(path) for path in paths):
            raise UserError("epochs over few tokens need the records of sweeps, or their archives")
        taken = Selection("with_head", keep_recipes=True, keep_repeats=True)
        frame = pd.concat([load_runs(path, taken).frame for path in paths], ignore_index=True)
        unique = np.minimum(frame["D"].to_numpy(float), frame["n_unique_tokens"].to_numpy(float))
        vocabulary = np.unique(frame["vocab_size"].dropna())
        return cls(frame.assign(U=unique), unit_of(vocabulary[0] if len(vocabulary) == 1 else None), tuple(paths))

    @cached_property
    def law(self) -> FitResult:
        """The law fitted to all of them.

        Raises
        ------
        LackingRunsError
            Too few of them saw tokens again.
        """
        if (n := len(_repeated(self.frame))) < MIN_REPEATS:
            raise LackingRunsError(f"{n} runs saw tokens more than once: R_D* needs {MIN_REPEATS}")
        return fitted(self.frame)


def _repeated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.loc[frame["D"] > 1.5 * frame["U"]]


def fitted(frame: pd.DataFrame) -> FitResult:
    """R_D*, R_N* and the rest on rows of N, D, U, L: Huber on ln L, intervals by the sandwich.

    No profile of E, which costs ten times the fit itself for this law.
    """
    inputs = {name: frame[name].to_numpy(float) for name in ("N", "D", "U")}
    point = fit_point(
        muennighoff, inputs, frame["L"].to_numpy(float), objective_named("log_huber", DELTA), None, STARTS
    )
    draws = draw_params(point, "sandwich", RESAMPLES, np.random.default_rng(0))
    settings = {"loss": "log_huber", "delta": DELTA, "resample": "sandwich", "resamples": RESAMPLES, "seed": 0}
    return assemble(point, draws, settings=settings)


def still_falling(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of which no shorter run of the same N and U has a lower loss: the law has no term for harm by repeats."""
    frame = frame.sort_values(["N", "U", "D"])
    lowest = frame.groupby(["N", "U"])["L"].cummin()
    return frame.loc[frame["L"] <= lowest]


def authors_runs() -> pd.DataFrame:
    """The public table with our names: N, D, U, L."""
    table = public_table("muennighoff2023")
    return table.rename(columns={"params": "N", "tokens": "D", "unique_tokens": "U", "loss": "L"})


def _epochs(frame: pd.DataFrame, params: Any, words: str, unit: str) -> pd.DataFrame:
    """Losses against tokens by unique tokens, and the law: a panel for each of the sizes with most runs."""
    most = _repeated(frame)["N"].value_counts().index[:MOST_SIZES]
    parts = []
    for n_params in sorted(float(size) for size in most):
        panel = f"N = {style.short(n_params)}"
        of_size = frame.loc[frame["N"] == n_params]
        repeated = _repeated(of_size)["U"].value_counts().index[:MOST_SIZES]
        for unique in sorted(float(u) for u in repeated):
            there = of_size.loc[of_size["U"] == unique].sort_values("D")
            said = f"{style.short(unique)} unique"
            parts.append(rows(panel, f"{said}, runs", "points", there["D"], there["L"]))
            at = style.span(there["D"], n=40)
            law = muennighoff.predict(params, N=n_params, D=at, U=unique)
            parts.append(rows(panel, f"{said}, {words}", "fit", at, law))
        at = style.span(of_size["D"], n=40)
        law = muennighoff.predict(params, N=n_params, D=at, U=at)
        parts.append(rows(panel, "all tokens unique, by the law", "paper", at, law))
    return tidy(parts, unit)


def _figure_epochs(evidence: Evidence) -> pd.DataFrame:
    return _epochs(evidence.frame, evidence.law.values, "our law", evidence.unit)


def _figure_published(_evidence: object) -> pd.DataFrame:
    return _epochs(authors_runs(), PAPER, "their law", "token")


def _found_epochs(table: pd.DataFrame) -> str:
    said = []
    for panel, part in table.groupby("panel", sort=False):
        points = part.loc[part["kind"] == "points"]
        rising = [words for words, run in points.groupby("series", sort=False) if run["y"].iloc[-1] > run["y"].min()]
        off = []
        for words, run in points.groupby("series", sort=False):
            law = part.loc[part["series"].str.startswith(str(words).split(",")[0]) & (part["kind"] == "fit")]
            off.append(np.log(run["y"].to_numpy(float) / np.interp(run["x"], law["x"], law["y"])))
        rms = float(np.sqrt((np.concatenate(off) ** 2).mean()))
        harm = f", the loss ends above its lowest with {', '.join(w.split(',')[0] for w in rising)}" if rising else ""
        said.append(f"{panel}: the law misses by {rms:.1%} rms{harm}")
    return "; ".join(said) + "."


def _figure_effective(evidence: Evidence) -> pd.DataFrame:
    law, frame = evidence.law, evidence.frame
    params = law.values
    repeated = _repeated(frame)
    epochs = np.geomspace(1, 64, 80)
    parts = []
    for unique, of_unique in repeated.groupby("U"):
        inputs = {"N": of_unique["N"], "D": of_unique["D"], "U": of_unique["U"]}
        effective = _effective(params, inputs)
        worth = tokens_of_loss(params, effective["N"], of_unique["L"].to_numpy(float)) / of_unique["U"].to_numpy(float)
        seen = of_unique["D"].to_numpy(float) / of_unique["U"].to_numpy(float)
        kept = np.isfinite(worth)
        words = f"{style.short(float(str(unique)))} unique, what the loss is worth"
        parts.append(rows("effective", words, "points", seen[kept], worth[kept]))
    for kind, words, r_d in (
        ("fit", _r_words(law, "R_D"), params["R_D"]),
        ("paper", "R_D* = 15.4, paper", PAPER["R_D"]),
    ):
        parts.append(rows("effective", words, kind, epochs, _saturated(epochs, r_d)))
    parts.append(rows("effective", "as if all were unique", "paper", epochs, epochs))
    return tidy(parts, evidence.unit)


def _effective(params: Any, inputs: Any) -> dict[str, Any]:
    G = (params["A"] / params["B"]) ** (1 / (2 * params["alpha"]))
    return effective_inputs(inputs, G, 1.0, (params["R_D"], params["R_N"]))


def _saturated(epochs: Any, r_d: float) -> Any:
    return 1 + r_d * -np.expm1(-(np.asarray(epochs) - 1) / r_d)


def _r_words(law: FitResult, name: str) -> str:
    return f"{name}* = {law.params[name]:.3g}"


def _found_effective(table: pd.DataFrame) -> str:
    fit_ = table.loc[table["kind"] == "fit"]
    at = {n: float(np.interp(n, fit_["x"], fit_["y"])) for n in (4, 16, 32)}
    said = ", ".join(f"{n} epochs {worth / n:.2f}" for n, worth in at.items())
    paper = ", ".join(f"{float(_saturated(n, PAPER['R_D'])) / n:.2f}" for n in at)
    return f"{fit_['series'].iloc[0]} (paper 15.4): of as many unique tokens {said} are left (paper {paper})."


def _figure_hernandez(_evidence: object) -> pd.DataFrame:
    times = np.geomspace(1, 1e4, 120)
    parts = [
        rows("worth", f"{share:.0%} of the tokens", "fit", times, tokens_worth(PAPER, 1.0, share, times))
        for share in (0.1, 0.5, 0.9)
    ]
    n, d = HERNANDEZ["n_params"], HERNANDEZ["n_tokens"]
    worth = tokens_worth(PAPER, d, HERNANDEZ["share"], times)
    parts.append(rows("size", "10 %, by Muennighoff's law", "fit", times, size_of_equal_loss(PAPER, n, d, worth) / n))
    parts.append(rows("size", "Hernandez et al. 2022, trained", "points", [HERNANDEZ["times"]], [0.5]))
    return tidy(parts, "token")


def _found_hernandez(table: pd.DataFrame) -> str:
    law = table.loc[(table["panel"] == "size") & (table["kind"] == "fit")]
    there = float(np.interp(HERNANDEZ["times"], law["x"], law["y"]))
    return (
        f"A tenth of the tokens as 100 repeats leaves {there:.0%} of 800M parameters by Muennighoff's law, half by "
        "what Hernandez et al. trained: repeats harm beyond the data that they replace, for which the law has no term."
    )


def _figure_repeated(evidence: Evidence) -> pd.DataFrame:
    runs = runs_by(evidence.paths[0], {SHARE: 0.0, FEW: 0})
    mixed, whole = runs.loc[runs[SHARE] > 0], runs.loc[(runs[SHARE] == 0) & (runs["D"] == runs["D"].max())]
    if mixed.empty or whole.empty:
        raise LackingRunsError("they have no run with a repeated part (data=repeated) beside one of unique tokens")
    parts = []
    for share, of_share in mixed.groupby(SHARE):
        kept = (1 - float(str(share))) * whole["D"].max()
        without = runs.loc[(runs[SHARE] == 0) & np.isclose(runs["D"], kept, rtol=1e-3)]
        times = of_share.assign(times=float(str(share)) * of_share["D"] / of_share[FEW])
        for seen, cell in times.groupby("times"):
            found = _against(cell, whole)
            low, high = found.ci95 or (np.nan, np.nan)
            at = {"low": [low], "high": [high]}
            words = f"{share:.0%} of the tokens repeated, seeds paired, 95 %"
            parts.append(rows("change", words, "points", [seen], [found.value], **at))
        if len(without):
            change = _against(without, whole).value
            ends = [times["times"].min(), times["times"].max()]
            parts.append(rows("change", f"without that {share:.0%}, {change:+.2f} %", "paper", ends, [change] * 2))
    return tidy(parts, evidence.unit)


def _against(runs: pd.DataFrame, whole: pd.DataFrame) -> Estimate:
    """Change of the loss against runs of unique tokens, %, seeds paired."""
    pairs = runs.merge(whole[["seed", "loss"]], on="seed", suffixes=("", "_whole"))
    return percent(np.log(pairs["loss"] / pairs["loss_whole"]))


def _found_repeated(table: pd.DataFrame) -> str:
    said = []
    for words, points in table.loc[table["kind"] == "points"].groupby("series"):
        share = str(words).split(" of")[0]
        line = table.loc[table["series"].str.startswith(f"without that {share}"), "y"]
        worst = points.loc[points["y"].idxmax()]
        beside = f" ({line.iloc[0]:+.1f} % without them)" if len(line) else ""
        cost = f"{worst['y']:+.1f} % [{worst['low']:.1f}, {worst['high']:.1f}]"
        said.append(f"{share} as repeats costs at most {cost}, seen {worst['x']:.3g} times{beside}")
    return f"{'; '.join(said)} (Hernandez et al.: most at a middle number of repeats)."


def _table_fits(_evidence: object) -> pd.DataFrame:
    every = authors_runs()
    kept = still_falling(every)
    lines = [{"runs": "printed, 182 of them", **{name: f"{PAPER[name]:.4g}" for name in muennighoff.params}, "rms": ""}]
    for words, frame in ((f"all {len(every)}", every), (f"{len(kept)} whose loss still falls", kept)):
        found = fitted(frame)
        off = np.log(found.predict(**{x: frame[x] for x in ("N", "D", "U")}) / frame["L"].to_numpy(float))
        lines.append(
            {"runs": words, **{name: f"{found.params[name]:.3g}" for name in muennighoff.params}, "rms": _rms(off)}
        )
    off = np.log(muennighoff.predict(PAPER, **{x: kept[x] for x in ("N", "D", "U")}) / kept["L"].to_numpy(float))
    lines[0]["rms"] = f"{_rms(off)} of those that still fall"
    return pd.DataFrame(lines)


def _rms(off: Any) -> str:
    return f"{np.sqrt(np.mean(np.square(off))):.1%}"


def _law_rows(evidence_of: Callable[[tuple[str, ...]], Any]) -> list[LawRow]:
    """R_D* and R_N*, published and on our runs."""
    try:
        law = evidence_of(NEEDS).law
        ours = {name: f"{law.params[name]:.3g}" for name in ("R_D", "R_N", "alpha")}
    except HarnessError as error:
        ours = dict.fromkeys(("R_D", "R_N", "alpha"), f"not measured: {error}")
    scale = "a number of repeats, and so comparable; bytes here, at a ten-thousandth of the tokens"
    return [
        LawRow("R_D*, repeats of a token", f"{PAPER['R_D']:.6f}", ours["R_D"], scale),
        LawRow("R_N*, excess of parameters", f"{PAPER['R_N']:.6f}", ours["R_N"], scale),
        LawRow("alpha = beta", f"{PAPER['alpha']:.4f}", ours["alpha"], "no: another E, vocabulary and range"),
    ]


def _read(paths: Sequence[Path]) -> Evidence | None:
    """Evidence of the runs; None without paths, for figures of the public table and closed forms."""
    return Evidence.of(paths) if paths else None


FIGURE_EPOCHS = Figure(
    "epochs",
    "Loss against tokens, over few unique ones, our runs",
    "repeats help like new tokens up to four epochs, less and less beyond, and the curve of few tokens leaves that of "
    "many.",
    "one to 32 epochs: sixteen are worth .66 of as many new tokens, thirty-two .45, which is 8 to 12 % of the loss, "
    "beside the .2 to .7 % between seeds.",
    NEEDS,
    _figure_epochs,
    drawing(Panel("", "tokens seen, {unit}s", "held-out loss, nats/{unit}")),
    _found_epochs,
)
FIGURE_PUBLISHED = Figure(
    "epochs-published",
    "The same from the authors' runs, with their own constants",
    "runs of few unique tokens leave the line of unique ones after some epochs, and some rise again.",
    "296 public runs; the law was fitted to 182 of them that the authors do not name.",
    (),
    _figure_published,
    drawing(Panel("", "tokens seen, {unit}s", "held-out loss, nats/{unit}")),
    _found_epochs,
    PUBLIC,
)
FIGURE_EFFECTIVE = Figure(
    "effective",
    "Unique tokens that epochs over one set are worth",
    "the curve leaves the diagonal after four epochs and ends flat at 1 + R_D* sets; our points scatter about it.",
    "R_D* of these few runs; a point is the law's own inverse of a loss: 1 % of the loss is some 10 % of the tokens.",
    NEEDS,
    _figure_effective,
    drawing({"effective": Panel("", "epochs", "unique tokens worth, in sets of U", x_as=style.plain)}),
    _found_effective,
)
FIGURE_HERNANDEZ = Figure(
    "hernandez",
    "A repeated part of otherwise unique tokens (Hernandez et al. 2022)",
    "by the law a tenth of the tokens can cost no more than that tenth; what Hernandez trained cost half of the model.",
    "a closed form of the authors' constants, beside the one number of an abstract.",
    (),
    _figure_hernandez,
    drawing(
        {
            "worth": Panel("share of repeats", "times the part is seen", "unique tokens worth, of D", log_y=False),
            "size": Panel(
                "800M parameters, 1e11 tokens", "times the part is seen", "size of equal loss, of N", log_y=False
            ),
        }
    ),
    _found_hernandez,
)
FIGURE_REPEATED = Figure(
    "repeated",
    "A repeated part of otherwise unique tokens, trained",
    "points above the dashed line of their share: repeats cost more than the tokens that they replace.",
    "leaving out a half of the tokens is 7 % of the loss, a tenth 1 %; intervals of two seeds are 2 to 9 % to each "
    "side, so that the cost of a half is seen and that of a tenth is not.",
    MIXED,
    _figure_repeated,
    with_room(
        {"change": Panel("", "times each of the few is seen", "loss against all tokens unique, %", log_y=False)},
        above=0.35,
    ),
    _found_repeated,
)
TABLE_FITS = PaperTable(
    "fits",
    "The law on the authors' public runs",
    "R_D* depends on which runs are taken: the 182 are not named, and runs that rise again have no place in the law.",
    (),
    _table_fits,
    PUBLIC,
)
muennighoff2023 = Paper(
    "muennighoff2023",
    "Muennighoff et al. 2023, Scaling Data-Constrained Language Models",
    (FIGURE_EPOCHS, FIGURE_PUBLISHED, FIGURE_EFFECTIVE, FIGURE_HERNANDEZ, FIGURE_REPEATED),
    _read,
    _law_rows,
    {"quick": {name: name for name in ("muennighoff/epochs", *MIXED)}},
    (TABLE_FITS,),
)
