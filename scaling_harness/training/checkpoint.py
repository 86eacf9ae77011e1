"""A job's last checkpoint: written whole or not at all, read without running what it holds."""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scaling_harness.plan.plan import Plan
from scaling_harness.record.atomic_files import write_atomically
from scaling_harness.record.store import Store


@dataclass(frozen=True)
class Reached:
    """How far one run is, besides parameters and moments."""

    metrics_bytes: int = 0
    """Length of its `metrics.jsonl`: what follows is cut when it goes on."""
    first_loss: float | None = None
    """Divergence is judged against it; None before the first step."""
    wall_s: float = 0.0
    """Its share of the seconds spent so far, over all attempts."""
    start: int = 0
    """Steps that its trunk took."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    step: int
    """The same for all its runs."""
    runs: tuple[Reached, ...]


Found = tuple[dict[str, Tensor], Progress] | str | None
"""State and progress; a sentence why they cannot be used; None if there are none."""


def save(path: Path, runs: Sequence[Plan], state: Mapping[str, Tensor], progress: Progress) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    path : Path
        Of `Store.checkpoint_path`.
    runs : sequence of Plan
        Those that still take part, by row: a checkpoint without them is not read.
    state : mapping of str to Tensor
        Of `Stack.state_dict`.
    progress : Progress
        The rest; its runs in the same order.
    """
    document = {
        "run_ids": [run.run_id for run in runs],
        "source": runs[0].architecture_source,
        "optimizer": dict(state),
        "step": progress.step,
        "runs": [vars(run) for run in progress.runs],
    }
    write_atomically(path, lambda file: torch.save(document, file))


def load(path: Path, run_ids: Sequence[str], source: str | None, device: str) -> Found:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        Of `Store.checkpoint_path`.
    run_ids : sequence of str
        The runs wanted; others in it have ended since.
    source : str or None
        Of a user's own architecture: parameters that other code of it trained are not read.
    device : str
        Where its tensors go.

    Returns
    -------
    tuple, str or None
        The state and the progress, of the runs wanted alone and in their order; a sentence why it cannot be used; None
        if there is none.
    """
    if not path.exists():
        return None
    try:
        document = torch.load(path, map_location=device, weights_only=True)
        if not set(run_ids) <= set(document["run_ids"]):
            return "the checkpoint was of other runs: started from the beginning"
        if document.get("source") != source:
            return "the checkpoint is not of this code of the architecture: started from the beginning"
        rows = [document["run_ids"].index(wanted) for wanted in run_ids]
        progress = Progress(document["step"], tuple(Reached(**document["runs"][row]) for row in rows))
        return select(document["optimizer"], rows), progress
    except (RuntimeError, EOFError, LookupError, TypeError, ValueError, OSError, pickle.UnpicklingError) as error:
        return f"the checkpoint was damaged ({type(error).__name__}): started from the beginning"


def load_from_trunks(runs: Sequence[Plan], store: Store, device: str) -> Found:
    """Read where runs leave their trunks, all at the same step.

    Parameters
    ----------
    runs : sequence of Plan
        Of one job.
    store : Store
        Where trunks have left their state.
    device : str
        Where its tensors go.

    Returns
    -------
    tuple, str or None
        As `load`; None where the runs have no trunks.
    """
    if not all(run.trunk for run in runs):
        return None
    source = runs[0].architecture_source
    found = [load(store.snapshot_path(run.run_id), [run.trunk or ""], source, device) for run in runs]
    parts = [part for part in found if isinstance(part, tuple)]
    if len(parts) < len(runs) or any(progress.step != runs[0].decay_start for _, progress in parts):
        return "what its trunk left was gone or damaged: trained whole, from the beginning"
    states = [state for state, _ in parts]
    joined = {
        name: torch.cat([state[name] for state in states]) if first.ndim else first for name, first in states[0].items()
    }
    return joined, Progress(parts[0][1].step, tuple(progress.runs[0] for _, progress in parts))


def select(state: Mapping[str, Tensor], rows: Sequence[int]) -> dict[str, Tensor]:
    """State of some runs of a stack, by their rows; what all runs have in common has no row."""
    return {name: tensor[list(rows)] if tensor.ndim else tensor for name, tensor in state.items()}
