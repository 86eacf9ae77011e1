"""Run records as rows of a table; which of them share a recipe."""

import contextlib
import functools
import gc
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic_core import to_json

from analysis.runs.from_archive import archive_listing, archived_run, in_archive
from analysis.tables.dotted import dotted
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.archive import is_archive
from scaling_harness.record.record import METRICS_FILE, RECORD_FILE, RunRecord, read_record
from scaling_harness.record.sweep_listing import SWEEP_FILE, SweepListing, read_listing

Split = Literal["test", "valid"]
CONDITIONAL = "intervals are for this text: another would move the losses of all runs together, and E with them"
_NOT_RECIPE = {
    "seed": True,
    "model": {"n_layer", "d_model", "n_head", "d_head"},
    "optim": {"lr": {"horizon"}},
    "budget": {"n_steps": True, "batch_rule": {"horizon"}},
    "evaluation": {"noise_every", "noise_seqs"},
}
"""Settings that may differ between runs of one recipe, as `pydantic_core.to_json` leaves them out."""


def is_sweep(path: Path) -> bool:
    """Whether a path is read as records: a folder or an archive, not a table."""
    return path.is_dir() or is_archive(path)


def listing_of(path: Path) -> SweepListing | None:
    """Listing of a sweep's folder or archive; None for another folder."""
    if is_archive(path) and not path.is_dir():
        return archive_listing(path)
    state = _state_of(path / SWEEP_FILE)
    return _listing_once(path, state) if state else None


def find_run_dirs(path: Path) -> list[Path]:
    """Folders of the runs of a sweep (its listing names them), or of all records below a directory.

    Those of an archive are paths below its file, for `record_in`.

    Raises
    ------
    UserError
        Neither a sweep nor any record is there.
    """
    if listing := listing_of(path):
        store = path.parent / "store" if path.is_dir() else path
        return [Path(f"{store}/{run.run_id}") for run in listing.runs]
    run_dirs = sorted(file.parent for file in path.rglob(RECORD_FILE))
    if not run_dirs:
        raise UserError(f"{path} holds neither {SWEEP_FILE} nor any {RECORD_FILE}: run a sweep first")
    return run_dirs


def find_trunks(path: Path, frame: pd.DataFrame) -> set[str]:
    """run_ids of the runs that others branched from, by the records, or were to, by the sweep."""
    listing = listing_of(path)
    planned = [run.trunk for run in listing.runs] if listing else []
    return {str(trunk) for trunk in (*planned, *frame["trunk"].dropna()) if trunk}


def is_finished(run_dir: Path) -> bool:
    """Whether a folder or an archive holds a record of the run, readable or not."""
    return archived_run(run_dir) is not None if in_archive(run_dir) else (run_dir / RECORD_FILE).exists()


def record_in(run_dir: Path) -> RunRecord | None:
    """Record of a run in a folder or an archive; None if it has not finished."""
    file = f"{run_dir}/{RECORD_FILE}"
    if state := _state_of(file):
        return _record_once(file, state)
    run = archived_run(run_dir) if in_archive(run_dir) else None
    return run.record if run else None


def _state_of(file: Path | str) -> tuple[int, int] | None:
    """Time and length, by which a file that was written anew is read anew; None if there is none."""
    try:
        state = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state.st_mtime_ns, state.st_size


@functools.lru_cache(maxsize=8)
def _listing_once(sweep_dir: Path, _state: tuple[int, int]) -> SweepListing:
    return read_listing(sweep_dir)


@functools.lru_cache(maxsize=16384)
def _record_once(file: str, _state: tuple[int, int]) -> RunRecord:
    """A report reads records twice, for its fits and for where its runs come from."""
    return read_record(Path(file))


def finished_records(run_dirs: Iterable[Path]) -> tuple[list[tuple[Path, RunRecord]], list[dict[str, str]]]:
    """Folder and record of each finished run; and the runs without a readable record, with the reason."""
    found, dropped = [], []
    for run_dir in run_dirs:
        try:
            record = record_in(run_dir)
        except HarnessError as error:
            dropped.append({"run": run_dir.name, "reason": str(error)})
            continue
        if record is None:
            dropped.append({"run": run_dir.name, "reason": "not finished"})
        else:
            found.append((run_dir, record))
    return found, dropped


def read_rows(run_dirs: Iterable[Path]) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """One row a finished run; and the runs without a readable record, with the reason."""
    with _gc_paused():
        found, dropped = finished_records(run_dirs)
        return pd.DataFrame([record_row(record, run_dir) for run_dir, record in found]), dropped


@contextlib.contextmanager
def _gc_paused() -> Iterator[None]:
    """Ten thousand records are millions of objects that all stay: looking for garbage in them takes a second."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def record_row(record: RunRecord, run_dir: Path) -> dict[str, Any]:
    """A record as one tidy row; units are in the names, every count of N and C is there."""
    model, (science, recipe_hash) = record.config["model"], _science(record.config)
    row = {
        "run": record.run_id,
        "run_id": record.run_id,
        "name": record.name,
        "fingerprint": record.fingerprint,
        "job_id": record.job_id,
        "trunk": record.trunk,
        "status": record.status,
        "reason": record.reason,
        "seed": record.config["seed"],
        **{name: model.get(name) for name in ("n_layer", "d_model", "n_head", "n_ctx", "parametrisation")},
        **{name: model.get(name) for name in ("d_ff_ratio", "target")},
        **{f"option_{name}": value for name, value in model.get("options", {}).items()},
        "schedule": json.dumps(record.config.get("schedule"), sort_keys=True),
        "vocab_size": record.data.get("vocab_size"),
        "data_id": record.data.get("data_id"),
        "recipe": recipe_hash,
        "batch_tokens": record.batch_tokens,
        "lr": record.learning_rate,
        "n_steps": record.n_steps,
        "n_tokens": record.n_tokens,
        "epochs": record.epochs,
        "n_unique_tokens": record.n_unique_tokens,
        "train_tokens": record.config.get("data", {}).get("train_tokens"),
        "spent_flops": record.spent_flops,
        "train_loss_nats": record.train_loss_nats,
        "n_params_stored": sum(record.params.values()),
        "wall_s": record.wall_s,
        "peak_memory_bytes": record.peak_memory_bytes,
        "started": record.provenance.get("started"),
        "ended": record.provenance.get("ended"),
        "commit": record.provenance.get("commit"),
        "dirty": record.provenance.get("dirty"),
        "curve_path": f"{run_dir}/{METRICS_FILE}",
    }
    row |= {f"n_params_{name}": value for name, value in record.n_params.items()}
    row |= {f"train_flops_{name}": value for name, value in record.train_flops.items()}
    row |= {f"loss_nats_{name}": loss.loss_nats for name, loss in record.losses.items()}
    row |= {f"bits_per_byte_{name}": bits for name, bits in record.bits_per_byte.items()}
    row |= {f"loss_blocks_{name}": loss.block_losses_nats for name, loss in record.losses.items()}
    if record.loss and record.loss.entropy_nats is not None:
        row["entropy_nats"] = record.loss.entropy_nats
    if record.loss and record.loss.answers:
        row["answers"] = record.loss.answers
    row |= {f"loss_positions_{name}": p for name, loss in record.losses.items() if (p := loss.position_losses_nats)}
    if record.best:
        row |= {"best_step": record.best.step, "best_n_tokens": record.best.n_tokens}
        row |= {f"best_loss_{name}": loss.loss_nats for name, loss in record.best.losses.items()}
    row |= {"held_out_test": ", ".join(record.data.get("held_out_test", []))}
    return row | {"science": science}


def with_losses(frame: pd.DataFrame, split: Split) -> tuple[pd.DataFrame, str]:
    """Rows with the final loss on a split, and a sentence that says which.

    Where a completed run has no loss on the test text, those of the validation text are taken for all.
    """
    by_split = frame.reindex(columns=["loss_nats_test", "loss_nats_valid"])
    finished = np.asarray(frame["status"] == "completed")
    n_missing = int((finished & np.asarray(by_split["loss_nats_test"].isna())).sum())
    if split == "test" and not n_missing:
        groups = next(iter(frame["held_out_test"]))
        named = f" ({groups})" if groups else ""
        said = f"losses are of the test text{named}, on which nothing was chosen"
        return _losses_of(frame, "test"), f"{said}; {CONDITIONAL}"
    said = "losses are of the validation text, on which settings may have been chosen"
    if split == "test":
        said += f": {n_missing} runs have none on a test text"
    return _losses_of(frame, "valid"), f"{said}; {CONDITIONAL}"


def _losses_of(frame: pd.DataFrame, split: Split) -> pd.DataFrame:
    taken = frame.reindex(columns=[f"loss_nats_{split}", f"loss_blocks_{split}"])
    return frame.assign(loss_nats=taken.iloc[:, 0], loss_blocks=taken.iloc[:, 1])


def recipe_fields(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Science settings that one scaling law takes as fixed, as dotted names; of what a rule decides, the rule."""
    return _science(config)[0]


def recipe(config: Mapping[str, Any]) -> str:
    """Short hash of the science settings other than shape, length and seed."""
    return _science(config)[1]


def _science(config: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    return _science_once(to_json(config, exclude=_NOT_RECIPE))


@functools.lru_cache(maxsize=1024)
def _science_once(config: bytes) -> tuple[dict[str, Any], str]:
    """Ten thousand runs have few recipes: each is spelt out and hashed once, and its rows share the result."""
    fields = dict(dotted(json.loads(config)))
    if "budget.batch_rule.rule" in fields:
        del fields["budget.batch_tokens"]
    text = json.dumps(fields, sort_keys=True)
    return fields, hashlib.sha256(text.encode()).hexdigest()[:12]


def differing_fields(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Science settings with more than one value, and those values."""
    names = sorted({name for fields in frame["science"] for name in fields})
    values = {name: {json.dumps(fields.get(name)) for fields in frame["science"]} for name in names}
    return {name: sorted(several) for name, several in values.items() if len(several) > 1}
