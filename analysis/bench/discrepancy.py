"""How far forecasts miss on public IsoFLOP tables, and the tau that this asks for (`validation.discrepancy.TAU`).

Declared: tables in which every loss is that of a schedule it was trained with (Hoffmann et al.'s figure 4; of Porian
et al. the experiments with their own cosine and with a constant rate, not those read in the middle of another's decay);
of each budget the sizes within a factor of 3 of its lowest loss, as a ladder has them; forecasts of the budget nearest
to four times the largest fitted, by expanding windows; the tau of lowest interval score for the mean ln loss there,
each table and each simulated form counting alike within its half, and the halves alike. On all sizes of Porian's
tables with a constant rate (models too large by far for their tokens) tau would be .04: for them nothing is promised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.bench.other_forms import FITTED, OTHER_FORMS, OtherForm, cells_of_form
from analysis.runs.public_tables import get
from analysis.runs.replicates import design_cells
from analysis.validation.coverage import HeldShare, held_share, judge_mixture
from analysis.validation.discrepancy import TAU
from analysis.validation.holdout import budget_bands
from analysis.validation.mixture import (
    FORMS,
    MIN_BUDGETS_LEFT,
    Cells,
    Window,
    cells_of,
    expanding_windows,
    fit_forms,
    forecast_rows,
    forecast_window,
    mixture_of,
)

NEAR = 3.0
AHEAD = 4.0
TAUS = np.arange(0.0, 0.0305, 0.001)
SWEEPS = 400
SCHEDULES = {"chinchilla": "own cosine", "const": "constant rate"}


@dataclass(frozen=True)
class TableDiscrepancy:
    """One public table.

    Attributes
    ----------
    table : str
    tau_without_it : float
        Made of the other tables and the simulations.
    windows, held, held_without : int
        Windows of the next budget; those that hold with that tau, and with none.
    chinchilla_error, skaling_error : float
        Rms error of a law's forecasts of four times the compute, per unit of ln C.
    """

    table: str
    tau_without_it: float
    windows: int
    held: int
    held_without: int
    chinchilla_error: float
    skaling_error: float


@dataclass(frozen=True)
class Discrepancy:
    """What tables and simulations ask of tau.

    Attributes
    ----------
    tau, of_tables, of_simulations : float
        Tau of lowest score on both, on the tables alone, on the simulations alone.
    rows : tuple of TableDiscrepancy
        One each public table.
    held, held_without : HeldShare
        Those windows over all tables, with that tau and with none. Porian et al.'s tables share most of what they are,
        so that the interval is narrower than it should be.
    """

    tau: float
    of_tables: float
    of_simulations: float
    rows: tuple[TableDiscrepancy, ...]
    held: HeldShare
    held_without: HeldShare


@dataclass(frozen=True)
class _Judged:
    """One table or simulated form: windows of the next budget, and those of four times the compute with their past."""

    next_budget: Sequence[Window]
    ahead: Sequence[tuple[Window, Sequence[Window]]]

    def scores(self) -> Array:
        """Mean interval score at each tau."""
        return np.array([sum(_score(*each, tau) for each in self.ahead) / len(self.ahead) for tau in TAUS.tolist()])

    def held(self, tau: float) -> int:
        """Windows of the next budget that hold."""
        each = enumerate(self.next_budget)
        return sum(judge_mixture(window, self.next_budget[:i], FORMS, tau).holds for i, window in each)

    def error_per_log_c(self, name: str) -> float:
        """Rms error of a law's forecasts of four times the compute over ln(C / C_max)."""
        errors = [(w.observed_Kq - w.components[name].location_Kq)[:, -1] / w.log_gap_q[-1] for w, _ in self.ahead]
        return float(np.sqrt(np.mean(np.square(errors))))


def _score(window: Window, before: Sequence[Window], tau: float) -> float:
    mixture = mixture_of(window.of_the_mean, before, FORMS, tau)
    return float(mixture.interval().score(window.of_the_mean.observed_Kq).mean())


def discrepancy(folder: Path, sweeps: int = SWEEPS, seed: int = 1) -> Discrepancy:
    """Measure tau.

    Parameters
    ----------
    folder : Path
        Where public tables are downloaded to, if SCALING_HARNESS_DATA does not have them.
    sweeps : int
        Simulated of each other form.
    seed : int
        Of the simulations; `bench coverage` counts with others.

    Returns
    -------
    Discrepancy

    Raises
    ------
    HarnessError
        A table is not there.
    """
    tables = {name: _judge(_cells_near(frame)) for name, frame in public_isoflops(folder).items()}
    forms = [_judge_form(form, sweeps, seed) for form in OTHER_FORMS.values()]
    of_tables = {name: judged.scores() for name, judged in tables.items()}
    of_forms = np.mean([judged.scores() for judged in forms], axis=0)
    rows = tuple(_row(name, judged, of_tables, of_forms) for name, judged in tables.items())
    n_windows = sum(row.windows for row in rows)
    mean_of_tables = np.mean(list(of_tables.values()), axis=0)
    return Discrepancy(
        _best(mean_of_tables + of_forms),
        _best(mean_of_tables),
        _best(of_forms),
        rows,
        held_share(sum(row.held for row in rows), n_windows),
        held_share(sum(row.held_without for row in rows), n_windows),
    )


def _best(scores: Array) -> float:
    return float(TAUS[scores.argmin()])


def _row(name: str, judged: _Judged, of_tables: Mapping[str, Array], of_forms: Array) -> TableDiscrepancy:
    others = np.mean([scores for other, scores in of_tables.items() if other != name], axis=0)
    tau = _best(others + of_forms)
    return TableDiscrepancy(
        table=name,
        tau_without_it=tau,
        windows=len(judged.next_budget),
        held=judged.held(tau),
        held_without=judged.held(0.0),
        chinchilla_error=judged.error_per_log_c("chinchilla"),
        skaling_error=judged.error_per_log_c("skaling"),
    )


def public_isoflops(folder: Path) -> dict[str, pd.DataFrame]:
    """N, D, C and L of the public tables that tau is made of.

    Parameters
    ----------
    folder : Path
        Where they are downloaded to, if SCALING_HARNESS_DATA does not have them.

    Returns
    -------
    dict of str to DataFrame
    """
    hoffmann = pd.read_csv(get("besiroglu2024", folder)[0]).nsmallest(240, "loss")
    flops = hoffmann["Training FLOP"]
    columns = {
        "N": hoffmann["Model Size"],
        "D": flops / (6 * hoffmann["Model Size"]),
        "C": flops,
        "L": hoffmann["loss"],
    }
    frames = {"Hoffmann, figure 4": pd.DataFrame(columns)}
    porian = pd.read_csv(get("porian2024", folder)[0])
    comparable = (porian["param_count"] == "standard") & (porian["val"] == "val")
    for dataset, decay in product(("rw", "owt2"), ("chinchilla", "const")):
        rows = porian[comparable & (porian["dataset"] == dataset) & (porian["decay"] == decay)]
        columns = {"N": rows["N"], "D": rows["D"], "C": rows["flops"], "L": rows["loss"]}
        frames[f"Porian, {dataset}, {SCHEDULES[decay]}"] = pd.DataFrame(columns)
    return frames


def _cells_near(frame: pd.DataFrame) -> Cells:
    """Cells of the sizes near the lowest loss of each budget."""
    cells = design_cells(frame)
    budgets = [cells.iloc[rows] for rows in budget_bands(cells.C.to_numpy())]
    return cells_of([b[np.abs(np.log(b.N / b.N[b.L.idxmin()])) <= np.log(NEAR) + 1e-9] for b in budgets])


def _judge(cells: Cells) -> _Judged:
    following, ahead = [], []
    for n_kept in range(MIN_BUDGETS_LEFT, len(cells.bands)):
        fitted, _ = fit_forms(cells, FORMS, n_kept)
        target = cells.bands[_nearest_ahead(cells, n_kept)]
        ahead.append((forecast_rows(cells, fitted, n_kept, target), tuple(following)))
        following.append(forecast_rows(cells, fitted, n_kept, cells.bands[n_kept]))
    return _Judged(following, ahead)


def _nearest_ahead(cells: Cells, n_kept: int) -> int:
    """Number of the later budget nearest to four times the largest compute fitted."""
    C = cells.frame.C.to_numpy()
    largest = C[cells.kept(n_kept)].max()
    distance = [abs(float(np.log(C[rows] / largest / AHEAD).mean())) for rows in cells.bands[n_kept:]]
    return n_kept + int(np.argmin(distance))


def _judge_form(form: OtherForm, sweeps: int, seed: int) -> _Judged:
    cells = cells_of_form(form, sweeps, np.random.default_rng([seed, *form.name.encode()]))
    before = expanding_windows(cells, n_bands=FITTED)
    return _Judged(before, [(forecast_window(cells, FORMS, FITTED), before)])


def discrepancy_table(measured: Discrepancy) -> str:
    """The tables, a line each, then tau and the windows that hold.

    Parameters
    ----------
    measured : Discrepancy
        From `discrepancy`.

    Returns
    -------
    str
    """
    lines = [
        f"{'table':32}{'tau without it':>16}{'windows':>9}{'hold':>6}{'with none':>11}{'Chinchilla':>12}{'Skaling':>9}"
    ]
    lines += [
        f"{row.table:32}{row.tau_without_it:16.3f}{row.windows:9}{row.held:6}{row.held_without:11}"
        f"{row.chinchilla_error:12.4f}{row.skaling_error:9.4f}"
        for row in measured.rows
    ]
    return "\n".join(
        [
            *lines,
            "last two columns: rms error of the law alone at four times the compute, over ln(C / C_max)",
            f"{measured.held} of the next budget hold; without a discrepancy {measured.held_without}",
            f"tau {measured.tau:.3f}: of the tables alone {measured.of_tables:.3f}, of simulated other forms alone "
            f"{measured.of_simulations:.3f}; in use: {TAU:g}",
        ]
    )
