"""One run of wandb: opened, brought up to date with the curve as it grows, closed with the record."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from scaling_harness.config.schema import WandbConfig
from scaling_harness.record.atomic_files import parse_json
from scaling_harness.record.record import RunRecord
from scaling_harness.record.row_times import Marks, read_marks, time_of
from scaling_harness.record.store import Store
from scaling_harness.wandb_mirror.described import Described, summary_of

INIT_TIMEOUT_S = 30.0
_QUIET = {"silent": True, "console": "off", "x_disable_stats": True, "x_disable_meta": True}
"""Nothing is said, and nothing is measured: what it would measure is this process, not the run."""


def import_wandb() -> Any:
    """Import wandb, which then reports none of its own errors to its makers."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb


def missing_key(config: WandbConfig) -> str | None:
    """Sentence that says that wandb cannot be reached without a key; None if there is one or none is needed."""
    if config.mode != "online" or import_wandb().login(prompt=False, verify=False):
        return None
    return "wandb has no API key: set WANDB_API_KEY or run `wandb login`, or copy with mode offline"


class Copy:
    """A run of wandb that takes what the store has of a run.

    Parameters
    ----------
    run : Described
        The run.
    store : Store
        Where it is stored; wandb's own folder is made there.
    config : WandbConfig
        Where it is copied to.
    group : str or None
        Group, unless `config` names one.
    """

    def __init__(self, run: Described, store: Store, config: WandbConfig, group: str | None) -> None:
        wandb, directory = import_wandb(), store.runs_dir.resolve()
        directory.mkdir(parents=True, exist_ok=True)
        self._curve, self._is_trunk = store.metrics_path(run.run_id), run.job_type == "trunk"
        self._n_bytes, self._step = 0, 0
        self._run = wandb.init(
            mode="offline" if config.mode == "offline" else "online",
            entity=config.entity,
            project=config.project,
            id=run.run_id,
            name=run.name,
            group=config.group or group,
            job_type=run.job_type,
            tags=list(config.tags),
            config=run.config,
            dir=str(directory),
            reinit="create_new",
            settings=wandb.Settings(init_timeout=INIT_TIMEOUT_S, **_QUIET),
        )

    def catch_up(self, record: RunRecord | None = None) -> None:
        """Log the rows that were added to the curve since the last call, each with the time when it was made.

        Parameters
        ----------
        record : RunRecord, optional
            Record of a run that has ended: then its curve is whole.
        """
        marks = read_marks(self._curve)
        if record and not marks:
            marks = _marks_by_record(record, self._curve)
        until = marks[-1][0] if marks and not record else None
        for end, row in _rows(self._curve, self._n_bytes, until):
            self._n_bytes = end
            step = row.get("step")
            if isinstance(step, int) and step >= self._step:
                self._step, at = step, time_of(marks, end)
                self._run.log(row if at is None else {**row, "_timestamp": at}, step=self._step)

    def close(self, record: RunRecord | None) -> None:
        """End the run of wandb, with the results if there is a record; without one it counts as failed."""
        if record:
            self._run.summary.update(summary_of(record, self._is_trunk))
            self._run.tags = (*(self._run.tags or ()), record.status)
        self._run.finish(exit_code=0 if record and record.status == "completed" else 1)


def _rows(curve: Path, start: int, until: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Whole rows of a curve after a number of bytes, each with where it ends; damaged ones are passed over."""
    if not curve.exists():
        return
    with curve.open("rb") as file:
        file.seek(start)
        for line in file:
            start += len(line)
            if not line.endswith(b"\n") or (until is not None and start > until):
                return
            try:
                row = parse_json(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield start, row


def _marks_by_record(record: RunRecord, curve: Path) -> Marks:
    """Marks of a run of an earlier version: even between its start and its end."""
    times = [record.provenance.get(name) for name in ("started", "ended")]
    if not all(times) or not curve.exists():
        return []
    started, ended = (datetime.fromisoformat(str(text)).timestamp() for text in times)
    return [(0, started), (curve.stat().st_size, ended)]
