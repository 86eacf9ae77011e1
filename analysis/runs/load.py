"""The tidy table of runs that every fit reads, with what was left out and why."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.arrays import Rows
from analysis.runs.from_archive import archived_curve, in_archive
from analysis.runs.from_records import differing_fields, find_run_dirs, find_trunks, is_sweep, read_rows
from analysis.runs.from_tables import LETTERS, parse_columns, read_table
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.archive import locate
from scaling_harness.record.atomic_files import read_jsonl

Count = Literal["with_head", "non_embedding", "total"]
COUNTS: tuple[Count, ...] = ("with_head", "non_embedding", "total")


@dataclass(frozen=True)
class Runs:
    """Runs ready to be fitted.

    Attributes
    ----------
    frame : DataFrame
        One row a run. N (parameters, of ``count``), D (tokens), C (FLOP, 6 N D of that N) and
        L (validation loss, nats per token), beside everything the records say.
    dropped : tuple of {"run", "reason"}
        Every run that was planned or given and is not in ``frame``.
    count : str or None
        Which parameters N counts; None for a table, whose author knows.
    notes : tuple of str
        What was derived and from what.
    """

    frame: pd.DataFrame
    dropped: tuple[Mapping[str, str], ...] = ()
    count: str | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    def with_count(self, count: Count) -> "Runs":
        """The same runs with N, and C = 6 N D, by another count."""
        return replace(self, frame=_choose_count(self.frame, count), count=count)

    def where(self, keep: Any) -> "Runs":
        """Those runs only; for slices of an analysis, not for leaving runs out of it."""
        return replace(self, frame=self.frame[keep])


def load_runs(
    path: Path | str,
    *,
    count: Count = "with_head",
    columns: str | Mapping[str, str] | None = None,
    drop_worst: int = 0,
    keep_repeats: bool = False,
    keep_recipes: bool = False,
    may_differ: Collection[str] = (),
) -> Runs:
    """Read a sweep directory, an archive or a table.

    Parameters
    ----------
    path : Path or str
        A sweep directory (or any directory with records below it), an archive (.runs.zst, or `archive:NAME`), or a
        .csv, .jsonl, .parquet file.
    count : {"with_head", "non_embedding", "total"}
        Which parameters N counts, for records. A table has the N its author gave.
    columns : str or mapping, optional
        For a table: "N=Model Size,C=Training FLOP,loss=loss", or the same as a mapping.
    drop_worst : int
        Leave out this many runs of largest loss, and say so (Besiroglu et al. 2024 leave out 5).
    keep_repeats : bool
        Keep runs that saw tokens more than once, for a law of repeated data (column U, unique tokens).
    keep_recipes : bool
        Keep runs of several recipes side by side, for a table; a fit takes one.
    may_differ : collection of str
        Science fields, such as `optim.lr`, in which recipes may differ.

    Returns
    -------
    Runs

    Raises
    ------
    UserError
        Nothing there, a column missing, or runs of several recipes, data sets or tokenizers.
    HarnessError
        No run is left.
    """
    path = locate(path)
    if is_sweep(path):
        runs = _from_records(path, count)
    else:
        named = parse_columns(columns) if isinstance(columns, str) else columns
        frame, notes = read_table(path, named)
        runs = Runs(frame, notes=notes)
    runs = _drop_worst(clean(runs, keep_repeats), drop_worst)
    if runs.frame.empty:
        raise HarnessError(f"no run of {path} can be fitted: {_first_reasons(runs.dropped)}")
    if not keep_recipes:
        _refuse_mixed(runs.frame, path, may_differ)
    return replace(runs, frame=runs.frame.drop(columns="science", errors="ignore"))


def read_all(path: Path | str) -> pd.DataFrame:
    """Every finished run below a directory as a row, whatever its status or recipe."""
    frame, _ = read_rows(find_run_dirs(locate(path)))
    return frame.drop(columns="science", errors="ignore")


def _from_records(directory: Path, count: Count) -> Runs:
    frame, unread = read_rows(find_run_dirs(directory))
    if frame.empty:
        raise HarnessError(f"no run of {directory} has finished: {_first_reasons(unread)}")
    runs = Runs(_choose_count(frame, count), tuple(unread), count)
    trunks = frame.index[frame.run_id.isin(find_trunks(directory, frame))]
    return _without(runs, dict.fromkeys(trunks, "a trunk: its learning rate has not decayed"))


def _choose_count(frame: pd.DataFrame, count: Count) -> pd.DataFrame:
    if count not in COUNTS:
        raise UserError(f"count {count!r} is not one of {', '.join(COUNTS)}")
    if f"n_params_{count}" not in frame:
        raise UserError(f"these runs have no count {count!r}: a table has the N its author gave")
    return frame.assign(
        N=frame[f"n_params_{count}"].astype(float),
        D=frame["n_tokens"].astype(float),
        C=frame[f"train_flops_6nd_{count}"].astype(float),
        L=frame["loss_nats"].astype(float),
    )


def clean(runs: Runs, keep_repeats: bool = False) -> Runs:
    """Take out what a law cannot describe, each run with its reason."""
    frame = runs.frame
    if "epochs" not in frame and {"D", "U"} <= set(frame):
        frame = frame.assign(epochs=frame.D / frame.U)
    if keep_repeats:
        frame = frame.drop(columns="epochs", errors="ignore")
    reasons = {i: reason for i, row in frame[_suspect(frame)].iterrows() if (reason := _reason_to_drop(row.to_dict()))}
    key = "fingerprint" if "fingerprint" in frame else [c for c in (*LETTERS, "S", "seed") if c in frame]
    twice = "the same run is in the table twice"
    return _without(runs, dict.fromkeys(frame.index[frame.duplicated(key)], twice) | reasons)


def _suspect(frame: pd.DataFrame) -> Rows:
    """Rows worth asking for a reason; whole columns at once, tables may be long."""
    letters = np.asarray(frame[[name for name in LETTERS if name in frame]], float)
    suspect = ~(np.isfinite(letters) & (letters > 0)).all(axis=1)
    if "status" in frame:
        suspect |= np.asarray(frame["status"] != "completed")
    if "epochs" in frame:
        suspect |= np.asarray(frame["epochs"] > 1)
    return np.asarray(suspect)


def _reason_to_drop(row: Mapping[Any, Any]) -> str | None:
    if row.get("status", "completed") != "completed":
        return f"{row['status']}: {row.get('reason')}"
    for name in LETTERS:
        value = row.get(name, 1.0)
        if not (np.isfinite(value) and value > 0):
            return f"{name} is {value}, not a positive number"
    if row.get("epochs", 0.0) > 1.0:
        return f"{row['epochs']:.3g} epochs: the law is for tokens seen once"
    return None


def _drop_worst(runs: Runs, number: int) -> Runs:
    if number < 0:
        raise UserError(f"drop_worst is {number}: give 0 or more")
    worst = runs.frame.nlargest(number, "L").index
    return _without(runs, dict.fromkeys(worst, f"one of the {number} largest losses (drop_worst)"))


def _without(runs: Runs, reasons: Mapping[Any, str]) -> Runs:
    labels = runs.frame["run"].to_dict() if "run" in runs.frame else {}
    dropped = tuple({"run": str(labels.get(i, i)), "reason": reason} for i, reason in reasons.items())
    return replace(runs, frame=runs.frame.drop(index=list(reasons)), dropped=(*runs.dropped, *dropped))


def _first_reasons(dropped: Any) -> str:
    reasons = list(dict.fromkeys(row["reason"] for row in dropped))
    return "; ".join(reasons[:3]) or "it is empty"


def _refuse_mixed(frame: pd.DataFrame, path: Path, may_differ: Collection[str]) -> None:
    """One law holds for one recipe: settings other than shape, length and seed must agree."""
    if "science" not in frame or len(set(frame["recipe"])) == 1:
        return
    found = differing_fields(frame).items()
    ignored = tuple(f"{name}." for name in may_differ)
    parts = [f"{name} ({', '.join(values[:4])})" for name, values in found if not f"{name}.".startswith(ignored)]
    if parts:
        raise UserError(
            f"{path} mixes {len(set(frame['recipe']))} recipes, which one law cannot describe; they differ in "
            f"{'; '.join(parts)}. Fit them apart"
        )


def load_curve(run: Mapping[str, Any] | pd.Series | Path | str) -> pd.DataFrame:
    """Training curve of a run.

    Parameters
    ----------
    run : Series or path
        A row of ``Runs.frame``, or a `metrics.jsonl`.

    Returns
    -------
    DataFrame
        step, tokens, flops, loss, lr, grad_norm and, where it was measured, valid_loss (nats).
    """
    path = Path(run if isinstance(run, str | Path) else str(run["curve_path"]))
    return pd.DataFrame(archived_curve(path) if in_archive(path.parent) else read_jsonl(path))
