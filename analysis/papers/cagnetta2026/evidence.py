"""The exponent predicted from statistics of tokens, beside the one fitted to runs on the same tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from analysis.comparing.equivalence import Group, reducible_exponents
from analysis.comparing.paired_runs import read_records
from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import fit
from analysis.forecasting.data_exponent import Prediction, predict
from analysis.papers.figure import LackingRunsError
from analysis.papers.hestness2017.evidence import Evidence as LimitedData
from analysis.papers.hestness2017.regions import beyond_guessing, entropy_of, limit_of
from analysis.runs.load import load_runs
from scaling_harness.errors import UserError
from scaling_harness.record.corpus_statistics import CorpusStatistics, read_statistics
from scaling_harness.record.record import RunRecord

KEPT = Path(__file__).with_name("statistics")
"""What `data statistics --out` wrote of the tokens of our sweeps."""
RESAMPLES = 400
SAME_NATS = 1e-4


@cache
def kept_statistics() -> tuple[CorpusStatistics, ...]:
    """Statistics of every data set that comes with the installation."""
    return tuple(read_statistics(path) for path in sorted(KEPT.glob("*.json")))


def statistics_of(record: RunRecord) -> CorpusStatistics:
    """Kept statistics of the tokens of a run.

    Counted ones are of tokens with their hash; calculated ones of a law, which the exact entropy tells from others of
    its kind, however many tokens of it a run had.

    Raises
    ------
    LackingRunsError
        There are none.
    """
    entropy = record.loss.entropy_nats if record.loss else None
    for each in kept_statistics():
        same_law = entropy is not None and any(abs(h.low - entropy) < SAME_NATS for h in each.entropies)
        same = same_law and each.label == record.data.get("label") if not each.n_tokens else False
        if same or each.data_id == record.data.get("data_id"):
            return each
    raise LackingRunsError(
        f"no statistics are kept of the tokens {record.data.get('label')} {str(record.data.get('data_id'))[:8]}: "
        "`scaling-harness data statistics` with the data of the runs prints the prediction"
    )


@dataclass(frozen=True)
class Measured:
    """Losses above the limit, and the power of D that was fitted to them."""

    n_tokens: np.ndarray
    reducible: np.ndarray
    exponent: Estimate
    coefficient: float
    words: str
    """What was fitted."""


@dataclass(frozen=True)
class Evidence:
    """Runs of one sweep and the statistics of their tokens."""

    path: Path
    statistics: CorpusStatistics

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Evidence | None":
        """Read a sweep; None for figures of statistics alone.

        Raises
        ------
        UserError
            It is a table.
        LackingRunsError
            No run has completed, or no statistics are kept of its tokens.
        """
        if not paths:
            return None
        if paths[0].is_file() and not paths[0].name.endswith(".runs.zst"):
            raise UserError(f"{paths[0]} is a table: a prediction is compared with the records of a sweep")
        completed = [record for record in read_records(paths[0])[0] if record.status == "completed"]
        if not completed:
            raise LackingRunsError(f"no run of {paths[0]} has completed")
        return cls(paths[0], statistics_of(completed[0]))

    @property
    def prediction(self) -> Prediction:
        """From the statistics alone."""
        return predict(self.statistics)

    @property
    def measured(self) -> Measured:
        """By the best losses of limited tokens, or by Chinchilla's law on tokens seen once."""
        limited = LimitedData.of([self.path])
        return _of_limited(limited) if limited.is_limited else _of_one_pass(self.path)


def _of_limited(limited: LimitedData) -> Measured:
    domain = str(limited.frame["domain"].iloc[0])
    every = limited.limited_by_data(domain)
    curve, known = beyond_guessing(every), limit_of(every)
    found = reducible_exponents({domain: Group(curve, domain, known)})
    limit = found.limits[domain]
    words = f"L = E + B / D^beta, best losses of limited tokens, E {'fitted' if entropy_of(every) is None else 'known'}"
    above = curve["L"].to_numpy(float) - limit
    return _above_zero(curve["D"], above, found.exponents[domain], found.coefficients[domain], words)


def _of_one_pass(path: Path) -> Measured:
    runs = load_runs(path)
    law = fit("chinchilla", runs, loss="log_huber", resample="residuals", resamples=RESAMPLES)
    values, frame = law.values, runs.frame
    above = frame["L"].to_numpy(float) - values["E"] - values["A"] * frame["N"].to_numpy(float) ** -values["alpha"]
    words = "beta of Chinchilla's law, every token seen once"
    return _above_zero(frame["D"], above, law.params["beta"], values["B"], words)


def _above_zero(n_tokens: ArrayLike, above: np.ndarray, exponent: Estimate, coefficient: float, words: str) -> Measured:
    """Without the losses that noise took below the limit, which logarithmic axes cannot show."""
    kept = above > 0
    return Measured(np.asarray(n_tokens, float)[kept], above[kept], exponent, coefficient, words)
