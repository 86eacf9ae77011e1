"""The checklist of Li et al. (2025), (Mis)Fitting, filled in from the runs and the fit."""

from collections.abc import Mapping, Sequence

from analysis.figures.style import Labels
from analysis.fitting.result import FitResult
from analysis.report.provenance import code_and_data, recipe_text
from analysis.report.summary import Analysis, LawChecks
from analysis.report.tables import Table, count_words, number, table
from analysis.runs.budgets import budget_groups
from analysis.runs.selection import Runs
from scaling_harness.record.record import RunRecord

FORM = ("form", "variables and units", "parameters fitted")
FITTING = ("objective", "algorithm", "starting points", "intervals", "goodness of fit", "extrapolation")
UNKNOWN = "not in the table"


def checklist(analysis: Analysis | None, runs: Runs, records: Sequence[RunRecord], labels: Labels) -> Table:
    """What a reader must know to repeat or judge the fit.

    Parameters
    ----------
    analysis : Analysis or None
        None if no law could be fitted.
    runs : Runs
        What was, or would be, fitted.
    records : sequence of RunRecord
        Behind the runs; none for a table.
    labels : Labels
        Units of the runs.

    Returns
    -------
    Table
        Part of the checklist, item, answer.
    """
    fitted = analysis.approaches.parametric if analysis else None
    parts = {
        "hypothesis": _form(fitted, runs, labels),
        "training": _training(runs, records, labels),
        "data": _data(runs, analysis),
        "fit": _fitting(analysis) if analysis else dict.fromkeys(FITTING, "no fit yet"),
        "openness": {"code and data": code_and_data(records), "runs": "every run is a row of this page and its CSV"},
    }
    rows = [(part, item, text) for part, items in parts.items() for item, text in items.items()]
    return table(("part", "item", "this analysis"), rows)


def _form(fitted: FitResult | None, runs: Runs, labels: Labels) -> Mapping[str, str]:
    cost = f" = {fitted.cost.convention}" if fitted else ""
    units = (
        f"N: parameters, {count_words(runs.count)}; D: {labels.unit}s seen once; C{cost}, FLOP; "
        f"loss: nats/{labels.unit}"
    )
    if fitted is None:
        return dict(zip(FORM, ("no fit yet", units, "no fit yet"), strict=True))
    form = f"{fitted.law.formula} ({fitted.law.source}); N and D act apart from each other, C only through them"
    return dict(zip(FORM, (form, units, ", ".join(fitted.params)), strict=True))


def _training(runs: Runs, records: Sequence[RunRecord], labels: Labels) -> Mapping[str, str]:
    frame = runs.frame
    if frame.empty:
        return {"models": "no finished run yet"}
    sizes = f"{len(frame)} runs of {frame.N.nunique()} sizes, N from {number(frame.N.min())} to {number(frame.N.max())}"
    tokens = f"{number(frame.D.min())} to {number(frame.D.max())} {labels.unit}s"
    epochs = f"at most {frame.epochs.max():.2g} epochs: " if "epochs" in frame else ""
    repeated = "none seen twice" if "epochs" in frame and frame.epochs.max() <= 1 else "some seen twice"
    return {
        "models": sizes,
        "data of a run": f"{tokens}; {epochs}{repeated if epochs else 'repetition not in the table'}",
        "shapes": _shapes(runs),
        "hyperparameters": recipe_text(records) or UNKNOWN,
    }


def _shapes(runs: Runs) -> str:
    if not {"n_layer", "d_model"} <= set(runs.frame):
        return UNKNOWN
    shapes = sorted(set(zip(runs.frame["n_layer"], runs.frame["d_model"], strict=True)))
    return "layers × width: " + ", ".join(f"{layers}×{width}" for layers, width in shapes)


def _data(runs: Runs, analysis: Analysis | None) -> Mapping[str, str]:
    points = f"{len(runs)} runs"
    if analysis is not None:
        cells = analysis.approaches.cells
        budgets = len(budget_groups(cells.C.to_numpy()))
        points += f", as means over the seeds of {len(cells)} (N, D) at {budgets} budgets"
    return {
        "points fitted": points,
        "checkpoints": "the final loss of each run, as it is; approach 1 also reads the losses along the runs",
        "left out": f"{len(runs.dropped)} runs, each with its reason under Left out",
    }


def _fitting(analysis: Analysis) -> Mapping[str, str]:
    fitted, checks = analysis.approaches.parametric, analysis.third
    settings, point = fitted.settings, fitted.certificate
    held = analysis.holdout
    answers = (
        f"{settings['loss']}, delta {settings['delta']}, summed over {settings['rows']}",
        "damped Newton with analytic derivatives, Huber's threshold lowered in stages",
        f"the best {point.tried} of a grid, {point.agreeing} reached this optimum; relative gradient "
        f"{point.gradient_norm:.1e}, condition number {point.condition:.2g}",
        f"95 % percentiles of {settings['resamples']} resamples: new noise on every cell, of the seeds' spread or "
        "of the scatter about the fit where that is larger, the same draws for all approaches",
        _goodness(checks),
        f"{held.mean_abs_rel_error:.2%} off at {held.gap:.2g} times the compute by {held.law.name}"
        if held
        else f"not tested: {analysis.holdout_reason}",
    )
    return dict(zip(FITTING, answers, strict=True))


def _goodness(checks: LawChecks) -> str:
    quality = checks.quality
    seeds = "no seed was repeated" if quality.ratio is None else f"{quality.ratio:.2f} times the noise of seeds"
    return f"residuals {quality.residual_rms:.2%} rms, {seeds}"
