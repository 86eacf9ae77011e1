"""Run records as rows of a table; which of them share a recipe."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.runs.dotted import dotted
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.record import METRICS_FILE, RECORD_FILE, RunRecord, read_record

MANIFEST_FILE = "sweep.json"
NOT_RECIPE = {"model.n_layer", "model.d_model", "model.n_head", "model.d_head", "budget.n_steps", "seed"}
NOT_RECIPE |= {"optim.lr.horizon", "budget.batch_rule.horizon", "evaluation.noise_every", "evaluation.noise_seqs"}


def find_run_dirs(directory: Path) -> list[Path]:
    """Folders of the runs of a sweep (its `sweep.json` lists them), or of all records below a directory.

    Raises
    ------
    UserError
        Neither a sweep nor any record is there.
    """
    manifest = directory / MANIFEST_FILE
    if manifest.exists():
        return [directory.parent / "store" / run["run_id"] for run in _listed(manifest)]
    run_dirs = sorted(path.parent for path in directory.rglob(RECORD_FILE))
    if not run_dirs:
        raise UserError(f"{directory} holds neither {MANIFEST_FILE} nor any {RECORD_FILE}: run a sweep first")
    return run_dirs


def find_trunks(directory: Path, frame: pd.DataFrame) -> set[str]:
    """run_ids of the runs that others branched from, by the records, or were to, by the sweep."""
    manifest = directory / MANIFEST_FILE
    planned = [run.get("trunk") for run in _listed(manifest)] if manifest.exists() else []
    return {str(trunk) for trunk in (*planned, *frame["trunk"].dropna()) if trunk}


def _listed(manifest: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(manifest.read_bytes())
        return [{"run_id": run["run_id"], **run} for job in document["jobs"] for run in job["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{manifest} is damaged: delete it and start the sweep again; finished runs stay") from error


def read_rows(run_dirs: Iterable[Path]) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """One row a finished run; and the runs without a readable record, with the reason."""
    rows, dropped = [], []
    for run_dir in run_dirs:
        if not (run_dir / RECORD_FILE).exists():
            dropped.append({"run": run_dir.name, "reason": "not finished"})
            continue
        try:
            rows.append(record_row(read_record(run_dir), run_dir))
        except HarnessError as error:
            dropped.append({"run": run_dir.name, "reason": str(error)})
    return pd.DataFrame(rows), dropped


def record_row(record: RunRecord, run_dir: Path) -> dict[str, Any]:
    """A record as one tidy row; units are in the names, every count of N and C is there."""
    model, valid = record.config["model"], record.losses.get("valid")
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
        "vocab_size": record.data.get("vocab_size"),
        "data_id": record.data.get("data_id"),
        "recipe": recipe(record.config),
        "batch_tokens": record.batch_tokens,
        "lr": record.learning_rate,
        "n_steps": record.n_steps,
        "n_tokens": record.n_tokens,
        "epochs": record.epochs,
        "spent_flops": record.spent_flops,
        "loss_nats": valid.loss_nats if valid else None,
        "loss_stderr_nats": valid.stderr_nats if valid else None,
        "train_loss_nats": record.train_loss_nats,
        "wall_s": record.wall_s,
        "peak_memory_bytes": record.peak_memory_bytes,
        "started": record.provenance.get("started"),
        "ended": record.provenance.get("ended"),
        "commit": record.provenance.get("commit"),
        "dirty": record.provenance.get("dirty"),
        "curve_path": str(run_dir / METRICS_FILE),
    }
    row |= {f"n_params_{name}": value for name, value in record.n_params.items()}
    row |= {f"train_flops_{name}": value for name, value in record.train_flops.items()}
    row |= {f"loss_nats_{name}": loss.loss_nats for name, loss in record.losses.items() if name != "valid"}
    return row | {"science": recipe_fields(record.config)}


def recipe_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Science settings that one scaling law takes as fixed, as dotted names; of what a rule decides, the rule."""
    fields = {name: value for name, value in dotted(config) if name not in NOT_RECIPE}
    if "budget.batch_rule.rule" in fields:
        del fields["budget.batch_tokens"]
    return fields


def recipe(config: Mapping[str, Any]) -> str:
    """Short hash of the science settings other than shape, length and seed."""
    text = json.dumps(recipe_fields(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differing_fields(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Science settings with more than one value, and those values."""
    names = sorted({name for fields in frame["science"] for name in fields})
    values = {name: {json.dumps(fields.get(name)) for fields in frame["science"]} for name in names}
    return {name: sorted(several) for name, several in values.items() if len(several) > 1}
