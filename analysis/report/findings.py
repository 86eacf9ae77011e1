"""What each figure shows of these runs, counted from the data it is drawn from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.figures.diagnostics import noise_band_percent, residual_percent
from analysis.frontier.approach1_envelope import END_OF_RUN
from analysis.frontier.approach2_isoflop import Slice
from analysis.frontier.approaches import Approaches
from analysis.frontier.one_variable_laws import OneVariableLaw
from analysis.hyperparameters.gradient_noise import NoisePoint
from analysis.report.summary import Analysis, LawChecks
from analysis.report.tables import number
from analysis.validation.holdout import Holdout


def of_curves(n_runs: int, n_sizes: int, approaches: Approaches | None) -> str:
    """How much of the envelope is bracketed in N, how much of it has decayed, and whether approach 1 reads it."""
    runs, traced = f"{n_runs} runs of {n_sizes} sizes.", approaches and approaches.envelope
    if approaches is None or traced is None:
        return f"{runs} No envelope was traced."
    early = f"{1 - traced.in_last_part:.0%} of that lies before the last {END_OF_RUN:.0%} of a run"
    read = "approach 1 reads it" if approaches.decayed is None else "approach 1 reads the final losses instead"
    inside = f"The envelope lies between the sizes trained at {traced.kept.mean():.0%} of the compute it spans"
    return f"{runs} {inside}; {early}; {read}."


def of_parabolas(pieces: Sequence[Slice]) -> str:
    """How many budgets have their minimum inside the sizes, and whether it grows."""
    usable = [piece for piece in pieces if piece.problem is None]
    inside = f"{len(usable)} of {len(pieces)} budgets have their minimum inside the sizes trained"
    if len(usable) < 2:
        return f"{inside}."
    best = np.array([piece.n_opt for piece in sorted(usable, key=lambda piece: piece.train_flops)])
    falls = int((np.diff(best) <= 0).sum())
    steps = "at every step" if falls == 0 else f"but not at {falls} of {len(best) - 1} steps"
    return f"{inside}; the best N goes from {number(best[0], 3)} to {number(best[-1], 3)}, growing {steps}."


def of_frontier(approaches: Approaches) -> str:
    """The exponents and whether their bands can be told apart."""
    known = {name: each.a for name, each in approaches.approaches.items() if np.isfinite(each.a.value)}
    values = ", ".join(f"{a:.3f} by approach {name}" for name, a in known.items())
    apart = approaches.differences
    beyond = sum(not d.ci95[0] <= 0 <= d.ci95[1] for d in apart.values() if d.ci95)
    return f"a is {values}; {beyond} of {len(apart)} differences are beyond noise."


def of_surface(analysis: Analysis) -> str:
    """Where the frontier leaves the sizes trained."""
    approaches = analysis.approaches
    best = approaches.approaches["3"].points
    sizes = approaches.cells.N
    inside = int(best.N_opt.between(sizes.min(), sizes.max()).sum())
    percent = residual_percent(approaches.parametric, approaches.cells)
    worst = float(np.abs(percent).max())
    return (
        f"The frontier lies inside the sizes trained at {inside} of {len(best)} budgets; "
        f"the law misses a mean by {worst:.2g} % at most."
    )


def of_one_variable(laws: Sequence[OneVariableLaw]) -> str:
    """Exponents without and with an irreducible loss."""
    said = []
    for law in laws:
        if law.plain is None:
            said.append(f"L({law.variable}) was not fitted ({law.held_fixed})")
            continue
        with_offset = f", {law.offset.params['alpha'].value:.3f} with E" if law.offset else ""
        said.append(f"α of L({law.variable}) is {law.plain.params['alpha'].value:.3f}{with_offset}")
    return f"{'; '.join(said)}."


def of_residuals(analysis: Analysis) -> str:
    """How many cells lie in the band of seed noise, and whether the residuals have a trend."""
    approaches, quality = analysis.approaches, analysis.third.quality
    cells = approaches.cells
    percent = residual_percent(approaches.parametric, cells)
    trends = cells[["L", "N", "D"]].corrwith(pd.Series(percent, cells.index), method="spearman")
    trend = ", ".join(f"{value:+.2f} with {name}" for name, value in trends.items())
    rms = f"rms {quality.residual_rms:.2%}; rank correlation {trend}"
    half = noise_band_percent(cells, approaches.noise)
    if not half:
        return f"No seed was repeated: there is no band; {rms}."
    outside = int((np.abs(percent) > half).sum())
    wanted = f"of {len(cells)} cells lie outside the band, where noise alone would put {0.05 * len(cells):.0f}"
    return f"{outside} {wanted}; {rms}."


def of_forecast(held: Holdout) -> str:
    """How many cells the intervals hold, and the three errors."""
    errors = (
        f"{held.law.name} is off by {held.mean_abs_rel_error:.2%} on average, "
        f"a power law in C by {held.error_power_law:.2%}"
    )
    if held.coverage is None:
        return f"{errors}; {held.coverage_reason}."
    one, many = held.coverage.alone, held.coverage.mixture
    return (
        f"{many.n_cells - many.cells_inside} of {many.n_cells} cells lie outside the mixture's interval, "
        f"{one.n_cells - one.cells_inside} outside the law's own; {errors}."
    )


def of_offset(third: LawChecks, unit: str) -> str:
    """E of the law, and what interval the profile leaves it."""
    low, high = third.profile.ci95
    value = third.fit.values["E"]
    if third.profile.identified:
        return f"The profile leaves E from {low:.3f} to {high:.3f} nats/{unit}; the law has {value:.3f}."
    return f"The profile leaves any E up to {high:.3f} nats/{unit}: these runs do not tell it."


def of_noise_scale(points: Sequence[NoisePoint]) -> str:
    """How B_simple changes from the highest to the lowest loss."""
    known = sorted((point for point in points if point.tokens), key=lambda point: -point.loss_nats)
    first, last = known[0], known[-1]
    return (
        f"{len(known)} of {len(points)} points have a value; B_simple is {number(first.tokens, 3)} at a loss of "
        f"{first.loss_nats:.2f} and {number(last.tokens, 3)} at {last.loss_nats:.2f}."
    )
