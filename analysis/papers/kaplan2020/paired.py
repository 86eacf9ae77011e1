"""Exponents in C_min along the envelope, minus those that L(N, S_min) and B_crit(L) predict, paired draw by draw."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

import numpy as np
import pandas as pd

from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import fit
from analysis.laws.kaplan import Batch
from analysis.laws.kaplan_compute import TABLE_6, compute_exponents
from analysis.laws.published import PUBLISHED
from analysis.papers.figure import LackingRunsError
from analysis.papers.kaplan2020.compute import measured_batch
from analysis.papers.kaplan2020.evidence import Evidence, after_warm_up, lowest, with_least
from scaling_harness.errors import HarnessError

N_DRAWS = 60
MIN_DRAWS = 10
N_STARTS = 8  # of the fit of a draw
Exponents = dict[str, float]


def differences(evidence: Evidence, n_draws: int = N_DRAWS, seed: int = 0) -> dict[str, Estimate]:
    """Measured minus predicted exponents of N, B, S_min and D.

    Parameters
    ----------
    evidence : Evidence
        Runs of one batch, and of several.
    n_draws : int
        Each draws the runs of one batch again, whole, and B_crit(L) from its own draws: the envelope and the law of a
        draw rest on the same runs and the same B_crit, so that what moves both cancels.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to Estimate

    Raises
    ------
    LackingRunsError
        Too few draws have an envelope and a law.
    """
    at = measured_minus_predicted(evidence.trajectories, measured_batch(evidence.b_crit))
    drawn = list(_draws(evidence, n_draws, seed))
    if len(drawn) < MIN_DRAWS:
        raise LackingRunsError(f"of {n_draws} draws of the runs {len(drawn)} have an envelope: more runs are needed")
    return {name: Estimate.from_draws(at[name], np.array([draw[name] for draw in drawn])) for name in at}


def _draws(evidence: Evidence, n_draws: int, seed: int) -> Iterator[Exponents]:
    """Differences of resampled runs, of those draws that have them."""
    random = np.random.default_rng(seed)
    runs = [run for _, run in evidence.trajectories.groupby("run", sort=False)]
    laws = evidence.b_crit.draws
    for _ in range(n_draws):
        chosen = [runs[i].assign(run=str(place)) for place, i in enumerate(random.integers(len(runs), size=len(runs)))]
        k = int(random.integers(len(laws["B_*"])))
        batch = Batch(float(laws["B_*"][k]), float(laws["1/alpha_B"][k]))
        with suppress(HarnessError):
            yield measured_minus_predicted(pd.concat(chosen, ignore_index=True), batch)


def measured_minus_predicted(trajectories: pd.DataFrame, batch: Batch) -> Exponents:
    """Slopes along the envelope in C_min minus those of B.7 to B.10, of the same points."""
    points = with_least(trajectories, batch.tokens(trajectories["L"]))
    late = after_warm_up(points).assign(S=lambda frame: frame["S_min"])
    law = fit("kaplan_ln_s", late, loss="log_squares", resample="none", starts=N_STARTS)
    envelope = lowest(points, "C_min")
    log_c = np.log(envelope["C"].to_numpy(float))
    columns = {"N": envelope["N"], "B": envelope["B_crit"], "S": envelope["S_min"], "D": envelope["C"] / envelope["N"]}
    predicted = compute_exponents(law.values, batch)
    return {
        name: float(np.polyfit(log_c, np.log(np.asarray(y, float)), 1)[0] - predicted[name])
        for name, y in columns.items()
    }


def of_paper() -> Exponents:
    """The same of the printed numbers: Table 6 minus what the constants of Table 3 and 5 predict."""
    constants = compute_exponents(PUBLISHED["kaplan2020_ln_s"].params, Batch(2.1e8, 1 / 0.21))
    return {name: TABLE_6[name][1] - float(constants[name]) for name in ("N", "B", "S", "D")}


def in_words(values: Mapping[str, Estimate | float]) -> str:
    """Each difference with its interval if it has one, as the table of laws has them."""
    said = {name: f"{each:+.3f}" if isinstance(each, float) else f"{each:.3f}" for name, each in values.items()}
    return ", ".join(f"{name} {words}" for name, words in said.items())
