"""Right answers of every length by size, and the curves through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arrays import Array
from analysis.fitting.estimate import Estimate
from analysis.papers.emergence.binomial import LOGISTIC, POWER, Curve, fit_curve, log_likelihood
from analysis.papers.figure import LackingRunsError
from analysis.runs.load import load_runs
from analysis.runs.selection import Runs
from scaling_harness.errors import HarnessError


@dataclass(frozen=True)
class Length:
    """Answers of one number of tokens.

    Attributes
    ----------
    n_tokens : int
        k.
    cells : DataFrame
        N, right, answers; the seeds of a size are one.
    alone : Curve or None
        The logistic through these answers; None where too few sizes lie between none and all (`reason`).
    own : Curve or None
        The curve of p^k's form through these answers alone.
    of_tokens : array
        p^k from the curve of single tokens.
    """

    n_tokens: int
    cells: pd.DataFrame
    alone: Curve | None
    own: Curve | None
    of_tokens: Array
    reason: str = ""

    @property
    def likelihood_of_tokens(self) -> float:
        """Ln likelihood of p^k from single tokens, which nothing here was fitted to unless k = 1."""
        right, answers = (self.cells[name].to_numpy(float) for name in ("right", "answers"))
        return log_likelihood(self.of_tokens, right, answers)


@dataclass(frozen=True)
class Evidence:
    """Runs that counted answers."""

    runs: Runs

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Evidence | None":
        """Read a sweep; None for what needs none.

        Raises
        ------
        LackingRunsError
            No run counted answers.
        """
        if not paths:
            return None
        runs = load_runs(paths[0])
        if "answers" not in runs.frame or runs.frame["answers"].isna().to_numpy().any():
            raise LackingRunsError("their answers were not counted (evaluation.answer_tokens)")
        return cls(runs)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """N, k, right and answers of every size and length, the seeds added."""
        lines = [
            (run["N"], k, right, answers)
            for run in self.runs.frame.to_dict("records")
            for k, right, answers in run["answers"]
            if answers
        ]
        frame = pd.DataFrame(lines, columns=["N", "k", "right", "answers"])
        return frame.groupby(["k", "N"], as_index=False).agg(right=("right", "sum"), answers=("answers", "sum"))

    @cached_property
    def tokens(self) -> Curve:
        """The curve of single tokens, p = exp(-A / N^alpha).

        Raises
        ------
        LackingRunsError
            No answers of one token.
        """
        single = self.answers[self.answers["k"] == 1]
        if single.empty:
            raise LackingRunsError("no answers of one token were counted (evaluation.answer_tokens)")
        return fit_curve(POWER, single["N"], single["right"], single["answers"])

    @cached_property
    def lengths(self) -> tuple[Length, ...]:
        """Every length, with its logistic and p^k."""
        return tuple(self._length(k, self.answers.loc[self.answers["k"] == k]) for k in sorted(set(self.answers["k"])))

    def _length(self, k: int, cells: pd.DataFrame) -> Length:
        of_tokens = self.tokens.share(cells["N"].to_numpy(float), k)
        try:
            alone, own = (fit_curve(link, cells["N"], cells["right"], cells["answers"]) for link in (LOGISTIC, POWER))
        except HarnessError as error:
            return Length(k, cells, None, None, of_tokens, str(error))
        return Length(k, cells, alone, own, of_tokens)

    def predicted(self, k: int) -> Estimate:
        """Log10 N at which half of the answers of k tokens should be right: where single tokens have p = .5^(1/k)."""
        return self.tokens.threshold(0.5 ** (1 / k))

    @cached_property
    def reducible(self) -> pd.DataFrame:
        """N and the mean loss over its entropy, or the loss where the entropy is not known."""
        frame = self.runs.frame
        entropy = frame.get("entropy_nats", 0.0)
        table = pd.DataFrame({"N": frame["N"], "L": np.asarray(frame["L"], float) - np.asarray(entropy, float)})
        return table.groupby("N", as_index=False).agg(L=("L", "mean"), low=("L", "min"), high=("L", "max"))
