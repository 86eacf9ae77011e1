"""Save and load a job's checkpoint: written whole or not at all, read without executing code in it."""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from scaling_harness.plan.plan import Plan
from scaling_harness.record.atomic_files import write_atomically
from scaling_harness.record.store import Store


@dataclass(frozen=True)
class RunProgress:
    """Progress of one run, besides its parameters and moments."""

    metrics_bytes: int = 0
    """Length of its `metrics.jsonl`, to which the file is cut when the run resumes."""
    first_loss: float | None = None
    """Loss of its first step, from which divergence is judged; None before that step."""
    wall_s: float = 0.0
    """Its share of the seconds spent so far, over all attempts."""
    start: int = 0
    """Number of steps that its trunk took."""
    recent: tuple[float, ...] = ()
    """Losses of its last steps, from which divergence is judged."""


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job."""

    step: int
    """Number of steps done, the same for all its runs."""
    runs: tuple[RunProgress, ...]


Loaded = tuple[dict[str, Tensor], JobProgress] | str | None
"""State and progress; or a sentence that says why they cannot be used; or None if there is no checkpoint."""


def save(path: Path, runs: Sequence[Plan], state: Mapping[str, Tensor], progress: JobProgress) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    path : Path
        `Store.checkpoint_path` of the job.
    runs : sequence of Plan
        Runs that have not ended, in order of the rows; `load` refuses a checkpoint that lacks one that it wants.
    state : mapping of str to Tensor
        Result of `Stack.state_dict`.
    progress : JobProgress
        Progress, its runs in the same order.
    """
    document = {
        "run_ids": [run.run_id for run in runs],
        "source": runs[0].architecture_source,
        "optimizer": dict(state),
        "step": progress.step,
        "runs": [vars(run) for run in progress.runs],
    }
    write_atomically(path, lambda file: torch.save(document, file))


def load(path: Path, run_ids: Sequence[str], source: str | None, mapped: bool = False) -> Loaded:
    """Read a checkpoint into the memory of the machine, from which the stack copies what it keeps to its device.

    Parameters
    ----------
    path : Path
        `Store.checkpoint_path` of the job.
    run_ids : sequence of str
        Runs to load; others in the checkpoint have ended since.
    source : str or None
        Hash of the code of a user's own architecture; a checkpoint of other code is refused.
    mapped : bool
        Whether the file is mapped and not read: for processes that each keep a part of a large one. Damage within it is
        then not seen.

    Returns
    -------
    tuple, str or None
        State and progress of `run_ids`, in their order; or a sentence that says why the checkpoint cannot be used; or
        None if there is none.
    """
    if not path.exists():
        return None
    try:
        document = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        if not set(run_ids) <= set(document["run_ids"]):
            return "the checkpoint belonged to other runs: started from the beginning"
        if document.get("source") != source:
            return "the checkpoint came from other code of the architecture: started from the beginning"
        rows = [document["run_ids"].index(wanted) for wanted in run_ids]
        progress = JobProgress(document["step"], tuple(RunProgress(**document["runs"][row]) for row in rows))
        whole = rows == list(range(len(document["run_ids"])))
        return document["optimizer"] if whole else select(document["optimizer"], rows), progress
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, OSError, pickle.UnpicklingError) as error:
        return f"the checkpoint was damaged ({type(error).__name__}): started from the beginning"


def load_from_trunks(runs: Sequence[Plan], store: Store) -> Loaded:
    """Read the states at which runs branch from their trunks, all at the same step.

    Parameters
    ----------
    runs : sequence of Plan
        Runs of one job.
    store : Store
        Store in which the trunks saved their states.

    Returns
    -------
    tuple, str or None
        As `load`; None if the runs have no trunks.
    """
    if not all(run.trunk for run in runs):
        return None
    source = runs[0].architecture_source
    snapshots = [load(store.snapshot_path(run.run_id), [run.trunk or ""], source) for run in runs]
    parts = [snapshot for snapshot in snapshots if isinstance(snapshot, tuple)]
    steps = {progress.step for _, progress in parts}
    if len(parts) < len(runs) or steps != {run.trunk_steps for run in runs}:
        return "the state saved by its trunk was missing or damaged: trained whole, from the beginning"
    start = runs[0].decay_start
    states = [state for state, _ in parts]
    joined = {
        name: torch.cat([state[name] for state in states]) if first.ndim else first for name, first in states[0].items()
    }
    return joined, JobProgress(start, tuple(replace(progress.runs[0], start=start) for _, progress in parts))


def select(state: Mapping[str, Tensor], rows: Sequence[int]) -> dict[str, Tensor]:
    """Select some runs of a stack's state, by their rows; a tensor that all runs share has no rows and stays."""
    return {name: tensor[list(rows)] if tensor.ndim else tensor for name, tensor in state.items()}
