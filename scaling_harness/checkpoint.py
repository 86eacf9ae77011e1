"""A job's last checkpoint: written whole or not at all, read without running what it holds."""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scaling_harness.files import write_atomically


@dataclass(frozen=True)
class Progress:
    """How far a job is, besides parameters and moments."""

    step: int
    wall_s: float
    """Seconds spent so far, over all attempts."""
    metrics_bytes: tuple[int, ...]
    """Length of each run's `metrics.jsonl` at this step: what follows is cut when the job goes on."""
    first_losses: tuple[float, ...]
    """Each run's loss at its first step: divergence is judged against it."""
    diverged: Mapping[int, str]
    """Why each run that has diverged, by position, takes no further part."""


def save(path: Path, fingerprints: Sequence[str], optimizer: Mapping[str, Any], progress: Progress) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    path : Path
        Of `Store.checkpoint_path`.
    fingerprints : sequence of str
        The runs of the job, in order: a checkpoint of others is not read.
    optimizer : mapping
        Tensors, of `FlatAdamW.state_dict`.
    progress : Progress
        The rest.
    """
    document = {
        "fingerprints": list(fingerprints),
        "optimizer": dict(optimizer),
        "progress": {**vars(progress), "diverged": dict(progress.diverged)},
    }
    write_atomically(path, lambda file: torch.save(document, file))


def load(path: Path, fingerprints: Sequence[str], device: str) -> tuple[dict[str, Any], Progress] | str | None:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        Of `Store.checkpoint_path`.
    fingerprints : sequence of str
        The runs it must be of.
    device : str
        Where its tensors go.

    Returns
    -------
    tuple, str or None
        The optimizer's state and the progress; a sentence why it cannot be used; None where there is none.
    """
    if not path.exists():
        return None
    try:
        document = torch.load(path, map_location=device, weights_only=True)
        progress = Progress(**document["progress"])
        if document["fingerprints"] != list(fingerprints):
            return "the checkpoint was of other runs: started from the beginning"
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, OSError, pickle.UnpicklingError) as error:
        return f"the checkpoint was damaged ({type(error).__name__}): started from the beginning"
    return document["optimizer"], progress
