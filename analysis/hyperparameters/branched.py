"""The local critical batch by branched training: of runs that leave one state with several batches."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling_harness.errors import HarnessError

TOLERANCE_NATS = 0.01


@dataclass(frozen=True)
class LocalBatch:
    """What the branches of one point say.

    Attributes
    ----------
    n_params, start_tokens : float
        Size, and tokens before the branches.
    loss_nats : float
        Final loss of the smallest batch's branches.
    batch, next_batch : float
        Largest batch whose branches lose nothing, in tokens; the next one tried, infinity if there is none.
    """

    n_params: float
    start_tokens: float
    loss_nats: float
    batch: float
    next_batch: float

    @property
    def middle(self) -> float:
        """Geometric mean of the two; the batch itself, a lower bound, if no larger one was tried."""
        return float(np.sqrt(self.batch * self.highest))

    @property
    def highest(self) -> float:
        """The next batch tried, or the batch itself."""
        return self.next_batch if np.isfinite(self.next_batch) else self.batch


def is_branched(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Which runs of `load_runs` have the schedule branched."""
    schedules = frame["schedule"] if "schedule" in frame else ["null"] * len(frame)
    return np.array([(json.loads(str(each)) or {}).get("kind") == "branched" for each in schedules], bool)


def branches_of(frame: pd.DataFrame) -> pd.DataFrame:
    """N, start (tokens before it), B (tokens a step), seed and L (final loss) of branched runs of `load_runs`."""
    starts = [json.loads(str(each))["start_tokens"] for each in frame["schedule"]]
    taken = {"N": frame["N"], "start": np.array(starts, float), "B": frame["batch_tokens"].astype(float)}
    return pd.DataFrame(taken | {"seed": frame["seed"], "L": frame["L"]})


def points_of(branches: pd.DataFrame) -> list[pd.DataFrame]:
    """By size and tokens, the mean loss over seeds of each batch, smallest first."""
    means = branches.groupby(["N", "start", "B"], as_index=False)["L"].mean()
    return [at for _, at in pd.DataFrame(means).groupby(["N", "start"])]


def local_batches(branches: pd.DataFrame, tolerance_nats: float = TOLERANCE_NATS) -> tuple[LocalBatch, ...]:
    """Largest batch whose loss, after as many tokens, is within a tolerance of that of every smaller one.

    Parameters
    ----------
    branches : DataFrame
        From `branches_of`; means over seeds are compared.
    tolerance_nats : float
        Merrill et al. (2025), section 3.1: .01 nats.

    Returns
    -------
    tuple of LocalBatch
        By size, then by tokens.

    Raises
    ------
    HarnessError
        No point has branches of two batches.
    """
    found = []
    for at in points_of(branches):
        B, L = at["B"].to_numpy(float), at["L"].to_numpy(float)
        if len(B) < 2:
            continue
        kept = np.minimum.accumulate(np.r_[np.inf, L[:-1]]) + tolerance_nats >= L
        last = int(np.flatnonzero(kept)[-1])
        larger = B[last + 1] if last + 1 < len(B) else np.inf
        n_params, start = (float(at[name].iloc[0]) for name in ("N", "start"))
        found.append(LocalBatch(n_params, start, float(L[0]), float(B[last]), float(larger)))
    if not found:
        raise HarnessError("a local batch needs branches of two batches or more from one point (schedule branched)")
    return tuple(found)
