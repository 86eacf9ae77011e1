"""What the page shows: reducible losses, E beside the truth, forecasts, and simulated sweeps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures import style
from analysis.fitting.estimate import Estimate
from analysis.papers.figure import Figure, LackingRunsError, LawRow, PaperTable
from analysis.papers.tidy import Panel, drawing, rows, tidy
from analysis.papers.truth.evidence import FitAtTruth, TruthEvidence, right_form
from scaling_harness.errors import HarnessError

SOURCES = {"walk": "truth/walk", "back_off": "truth/back-off"}
"""Kind of data -> its sweep."""
WORDS = {"walk": "random walks on a graph", "back_off": "an order-2 source with Pitman-Yor back-off"}
SIMULATED = Path(__file__).with_name("simulated.json")
"""What `bench truth --out` kept: 2,000 sweeps of each learner."""
DECADE = 10.0


def offsets(evidence: TruthEvidence) -> pd.DataFrame:
    """Every law and objective: E beside the truth, and what E does to the exponents."""
    return pd.DataFrame([_offset(each, evidence.entropy_nats) for each in evidence.fits])


def _offset(each: FitAtTruth, entropy: float) -> dict[str, str]:
    free, known = each.free, each.known
    row = {
        "law": each.law,
        "objective": each.objective,
        "true E": f"{entropy:.4f}",
        "E (95 %)": f"{free.params['E']:.4f}",
        "bias of E": f"{free.params['E'].value - entropy:+.4f}",
        "inside": {True: "yes", False: "no", None: "no interval"}[each.holds],
    }
    for name in ("alpha", "beta", "a"):
        with_free, with_known = _named(each, name)
        row[f"{name} (95 %)"] = f"{with_free:.3f}"
        row[f"bias of {name}"] = f"{with_free.value - with_known.value:+.3f}"
    return row | {"residuals, E known": f"{known.residual_rms:.2%}"}


def _named(each: FitAtTruth, name: str) -> tuple[Estimate, Estimate]:
    """A parameter or what follows from them, of both fits; where two exponents are tied, the one they share."""
    found = [{**fit.params, **fit.derived} for fit in (each.free, each.known)]
    name = name if name in found[0] else "alpha"
    return found[0][name], found[1][name]


def forecasts(evidence: TruthEvidence) -> pd.DataFrame:
    """The largest budget from those up to a tenth of it."""
    return pd.DataFrame(
        {
            "forecaster": each.forecaster,
            "error": f"{each.mean_abs_rel_error:.2%}",
            "interval of the mean holds": "yes" if each.holds else "no",
            "cells inside": f"{each.cells_inside} of {each.n_cells}",
            "width": f"{each.width:.1%}",
            "score": f"{each.score:.4f}",
        }
        for each in evidence.forecasts
    )


def simulated(_: object) -> pd.DataFrame:
    """What `bench truth` found, in words; read from the file that it wrote."""
    if not SIMULATED.exists():
        raise LackingRunsError(f"no simulation is kept: run `scaling-harness bench truth --out {SIMULATED}`")
    kept = json.loads(SIMULATED.read_text())
    return pd.DataFrame([_simulated(row, kept["sweeps"]) for row in kept["rows"]])


def _simulated(row: dict[str, Any], n_sweeps: int) -> dict[str, str]:
    words = {"learner": str(row["learner"]), "law": str(row["law"]), "sweeps": f"{n_sweeps:,}"}
    for name in ("E", "alpha", "beta", "a"):
        held, bias = row.get(f"{name} held"), row.get(f"{name} bias")
        words[f"{name} held (bias)"] = "–" if held is None else f"{held:.0%} ({bias:+.3f})"
    words["forecast held"] = f"{row['forecast held']:.0%}"
    words["its error"] = f"{row['forecast error']:.2%}"
    return words | {"its width": f"{row['interval width']:.1%}"}


def _of_kind(kind: str, data: Callable[[TruthEvidence], pd.DataFrame]) -> Callable[[TruthEvidence], pd.DataFrame]:
    """What `data` makes, from runs on this kind of source alone."""

    def checked(evidence: TruthEvidence) -> pd.DataFrame:
        if evidence.kind != kind:
            raise LackingRunsError(f"they are on {WORDS.get(evidence.kind, evidence.kind)}")
        return data(evidence)

    return checked


def _reducible(kind: str) -> Figure:
    """L - E of every cell against compute."""

    def data(evidence: TruthEvidence) -> pd.DataFrame:
        cells = evidence.cells.sort_values(["N", "C"])
        reducible = cells["L"].to_numpy(float) - evidence.entropy_nats
        return tidy([rows(kind, "cells", "points", cells["C"], reducible, n_params=cells["N"])], "token")

    def found(table: pd.DataFrame) -> str:
        reducible = table["y"].to_numpy(float)
        most, least = float(reducible.max()), float(reducible.min())
        enough = "a decade or more" if most >= DECADE * least else "less than a decade: the sweep says little of E"
        return f"L - E from {most:.3g} to {least:.3g} nats, a factor of {most / least:.3g}: {enough}"

    panel = Panel(WORDS[kind], "C, FLOP", "L - E, nats per token", x_as=style.power, y_as=style.plain)
    draw: Callable[[Axes, pd.DataFrame], Axes] = drawing({kind: panel})
    return Figure(
        name=str(list(SOURCES).index(kind) + 1),
        title=f"Reducible loss on {WORDS[kind]}",
        see="a straight line, if the loss above E is a power law of compute.",
        visible="L - E is measured against the true law of each next token: drawn targets add no noise",
        needs=(SOURCES[kind],),
        data=_of_kind(kind, data),
        draw=draw,
        found=found,
    )


FIGURES = tuple(_reducible(kind) for kind in SOURCES)
TABLES = (
    *(
        PaperTable(
            f"{number}{letter}",
            f"{title} on {WORDS[kind]}",
            see,
            (sweep,),
            _of_kind(kind, data),
        )
        for number, (kind, sweep) in enumerate(SOURCES.items(), 1)
        for letter, title, see, data in (
            ("a", "E, by law and objective,", "the true E inside; bias of exponents is against E held there", offsets),
            ("b", "ten times the compute", "the largest budget from those up to a tenth of it", forecasts),
        )
    ),
    PaperTable(
        "3",
        "simulated sweeps of learners of known form",
        "95 % intervals that hold the truth 95 times in 100 if the law is that of the learner, and how they fail if it "
        "is not; the trained sweeps above are examples, this is the coverage",
        (),
        simulated,
    ),
)


def law_rows(evidence_of: Callable[[tuple[str, ...]], TruthEvidence]) -> list[LawRow]:
    """A row each source: its E, ours by Chinchilla's law, and which form is right."""
    return [_row(kind, sweep, evidence_of) for kind, sweep in SOURCES.items()]


def _row(kind: str, sweep: str, evidence_of: Callable[[tuple[str, ...]], TruthEvidence]) -> LawRow:
    words = f"E of {WORDS[kind]}, nats per token"
    try:
        evidence = evidence_of((sweep,))
        best = next(each for each in evidence.fits if each.objective == "log_huber")
        inside = sum(each.holds is True for each in evidence.fits)
        said = f"inside {inside} of {len(evidence.fits)} intervals; L - E spans a factor of {evidence.span:.3g}; "
        ours = f"{best.free.params['E']:.4f}"
        return LawRow(words, f"{evidence.entropy_nats:.4f} exactly", ours, said + right_form(evidence.fits))
    except HarnessError as error:
        return LawRow(words, "known exactly", "–", f"not measured: {error}")


def kept(table: pd.DataFrame, n_sweeps: int) -> str:
    """The JSON that `simulated` reads, numbers of four digits."""
    records = [
        {name: float(f"{v:.4g}") if isinstance(v, float) else v for name, v in row.items() if not _is_nan(v)}
        for row in table.to_dict("records")
    ]
    return json.dumps({"sweeps": n_sweeps, "rows": records}, indent=1) + "\n"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))
