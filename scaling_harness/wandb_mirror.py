"""Copy finished runs to wandb, each once and as a whole. The run store stays the source; an error here stops no run."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaling_harness.config.schema import WandbConfig
from scaling_harness.errors import HarnessError
from scaling_harness.record.atomic_files import read_jsonl
from scaling_harness.record.provenance import now
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store

if TYPE_CHECKING:
    import wandb

MARKER = "wandb.jsonl"
"""File in a run's folder with a line for each copy."""
_log = logging.getLogger(__name__)


def mirror(run_ids: Iterable[str], store: Store, config: WandbConfig, group: str | None = None) -> int:
    """Copy finished runs that have not been copied to the same mode and project before.

    Parameters
    ----------
    run_ids : iterable of str
        Runs to copy; unfinished ones are skipped.
    store : Store
        Store of the runs.
    config : WandbConfig
        Mode and project; `off` copies nothing and does not import wandb.
    group : str, optional
        Name of their sweep.

    Returns
    -------
    int
        Number of runs copied. A run that wandb refuses is logged and tried again the next time.
    """
    if config.mode == "off":
        return 0
    waiting = [i for i in run_ids if store.is_finished(i) and not _is_copied(store.run_dir(i) / MARKER, config)]
    copied = 0
    for run_id in waiting:
        try:
            _copy(store.read(run_id), store, config, group)
        except Exception as error:
            if isinstance(error, HarnessError):
                raise
            _log.warning("wandb refused %s (%s: %s); it will be tried again", run_id, type(error).__name__, error)
            continue
        with (store.run_dir(run_id) / MARKER).open("a") as file:
            file.write(json.dumps({**vars(config), "at": now()}) + "\n")
        copied += 1
    return copied


def _is_copied(marker: Path, config: WandbConfig) -> bool:
    return any((row["mode"], row["project"]) == (config.mode, config.project) for row in read_jsonl(marker))


def _copy(record: RunRecord, store: Store, config: WandbConfig, group: str | None) -> None:
    import wandb

    directory = store.runs_dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        mode="offline" if config.mode == "offline" else "online",
        project=config.project,
        id=record.run_id,
        name=record.name,
        group=group,
        job_type="train",
        tags=[record.status],
        config=record.config,
        dir=str(directory),
        settings=wandb.Settings(silent=True, console="off"),
    )
    try:
        _log_rows(run, store.metrics_path(record.run_id))
        run.summary.update(_summary(record))
    finally:
        run.finish()


def _log_rows(run: "wandb.Run", path: Path) -> None:
    by_step: dict[int, dict[str, Any]] = {}
    for row in read_jsonl(path):
        by_step.setdefault(row["step"], {}).update(row)
    for step, row in by_step.items():
        run.log(row, step=step)


def _summary(record: RunRecord) -> dict[str, Any]:
    losses = {f"final_{name}_loss_nats": loss.loss_nats for name, loss in record.losses.items()}
    flops = {f"train_flops_{name}": value for name, value in record.train_flops.items()}
    return {"status": record.status, "n_tokens": record.n_tokens, "wall_s": record.wall_s, **losses, **flops}
