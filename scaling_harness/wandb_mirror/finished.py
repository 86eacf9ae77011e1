"""Copy finished runs to wandb, each once and as a whole. The run store stays the source; an error here stops no run."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from scaling_harness.config.schema import WandbConfig
from scaling_harness.errors import HarnessError
from scaling_harness.record.atomic_files import read_jsonl
from scaling_harness.record.provenance import now
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.copying import Copy, missing_key
from scaling_harness.wandb_mirror.described import describe_record

MARKER = "wandb.jsonl"
"""File in a run's folder with a line for each copy."""
MOST_REFUSALS = 3
"""Refusals in a row after which no further run is tried: each may take half a minute without a network."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mirrored:
    """What a call of `mirror` did."""

    copied: int
    """Number of runs copied now."""
    refused: int = 0
    """Number of runs that were to be copied and were not."""
    reason: str = ""
    """Sentence that says why the first of them was not."""


def mirror(run_ids: Iterable[str], store: Store, config: WandbConfig, group: str | None = None) -> Mirrored:
    """Copy finished runs that have not been copied to the same mode, entity and project before.

    Parameters
    ----------
    run_ids : iterable of str
        Runs to copy; unfinished ones are skipped.
    store : Store
        Store of the runs.
    config : WandbConfig
        Where to copy them; mode `off` copies nothing and does not import wandb.
    group : str, optional
        Name of their sweep.

    Returns
    -------
    Mirrored
        A run that wandb refuses is logged, and tried again the next time.
    """
    run_ids = list(run_ids)
    waiting = [run_id for run_id in to_copy(run_ids, store, config) if store.is_finished(run_id)]
    if not waiting:
        return Mirrored(0)
    if problem := missing_key(config):
        _log.warning("%d runs are not copied: %s", len(waiting), problem)
        return Mirrored(0, len(waiting), problem)
    trunks = {store.read(run_id).trunk for run_id in run_ids if store.is_finished(run_id)}
    copied, in_a_row, reason = 0, 0, ""
    for run_id in waiting:
        try:
            record = store.read(run_id)
            _copy(record, run_id in trunks, store, config, group)
        except Exception as error:
            if isinstance(error, HarnessError):
                raise
            refusal = log_refusal(run_id, error)
            reason, in_a_row = reason or refusal, in_a_row + 1
            if in_a_row == MOST_REFUSALS:
                break
        else:
            copied, in_a_row = copied + 1, 0
            mark_copied(record, store, config)
    return Mirrored(copied, len(waiting) - copied, reason)


def to_copy(run_ids: Iterable[str], store: Store, config: WandbConfig) -> list[str]:
    """Runs, finished or not, that have not been copied whole; none if the mode is off."""
    if config.mode == "off":
        return []
    return [run_id for run_id in run_ids if not _is_copied(run_id, store, config)]


def mark_copied(record: RunRecord, store: Store, config: WandbConfig) -> None:
    """Note that a finished run has been copied whole."""
    row = {**vars(config), "ended": record.provenance.get("ended"), "at": now()}
    with (store.run_dir(record.run_id) / MARKER).open("a") as file:
        file.write(json.dumps(row) + "\n")


def log_refusal(run_id: str, error: Exception) -> str:
    """Warn that wandb refused a run; return why."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    _log.warning("wandb refused %s (%s); it will be tried again", run_id, reason)
    return reason


def _is_copied(run_id: str, store: Store, config: WandbConfig) -> bool:
    """Whether the record that is there now was copied: a failed run may have been trained again since."""
    here = (config.mode, config.entity, config.project)
    rows = read_jsonl(store.run_dir(run_id) / MARKER)
    rows = [row for row in rows if (row["mode"], row.get("entity"), row["project"]) == here]
    if not rows or not store.is_finished(run_id):
        return False
    ended = store.read(run_id).provenance.get("ended")
    return any(row.get("ended", ended) == ended for row in rows)


def _copy(record: RunRecord, is_trunk: bool, store: Store, config: WandbConfig, group: str | None) -> None:
    copy = Copy(describe_record(record, is_trunk), store, config, group)
    try:
        copy.catch_up(record)
    finally:
        copy.close(record)
