"""Runs ready to be fitted, which of them a caller selects, and what was left out and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.arrays import Rows
from analysis.runs.from_records import Split, differing_fields
from analysis.tables.separate_rows import (
    COPY,
    NOT_BEST,
    SETTING_ID,
    best_settings,
    checkpoint_sentence,
    settings_sentence,
)
from analysis.to_html import html_table, page, sentences
from scaling_harness.errors import HarnessError, UserError

Count = Literal["with_head", "non_embedding", "total"]
LETTERS = ("N", "D", "C", "L", "U")
MOST_ROWS = 10  # of the table that a notebook shows
OF_RECORDS = ["status", "epochs", "fingerprint"]  # columns that say something of records, and anything in a table
COUNTS: tuple[Count, ...] = ("with_head", "non_embedding", "total")


@dataclass(frozen=True)
class Selection:
    """Which runs of a source are taken.

    Attributes
    ----------
    count : {"with_head", "non_embedding", "total"}
        Which parameters N counts, for records. A table has the N its author gave.
    drop_worst : int
        Leave out this many runs of largest loss, and say so (Besiroglu et al. 2024 leave out 5).
    keep_repeats : bool
        Keep runs that saw tokens more than once, for a law of repeated data (column U, unique tokens).
    keep_recipes : bool
        Keep runs of several recipes side by side, for a table; a fit takes one.
    may_differ : tuple of str
        Science fields, such as `optim.lr`, in which recipes may differ.
    best_of : {"loss"}, optional
        Of the settings (or recipes) at one N and D keep the one of lowest loss, mean over its seeds; of records, of
        lowest loss on the validation text.
    split : {"test", "valid"}
        Held-out split of the losses, for records: `valid` to choose by, `test` (if there is one) to report.
    """

    count: Count = "with_head"
    drop_worst: int = 0
    keep_repeats: bool = False
    keep_recipes: bool = False
    may_differ: tuple[str, ...] = ()
    best_of: Literal["loss"] | None = None
    split: Split = "test"


@dataclass(frozen=True)
class Runs:
    """Runs ready to be fitted.

    Attributes
    ----------
    frame : DataFrame
        One row a run. N (parameters, of ``count``), D (tokens), C (FLOP, 6 N D of that N) and
        L (held-out loss, nats per token), beside everything the records say.
    dropped : tuple of {"run", "reason"}
        Every run that was planned or given and is not in ``frame``.
    count : str or None
        Which parameters N counts; None for a table, whose author knows.
    notes : tuple of str
        What was derived and from what.
    columns : mapping of str to str, optional
        Letter -> column of the table it was taken from; None for records.
    settings : tuple of str
        Columns of a table in which runs of one N and D differ, other than seeds.
    checkpoints : str, optional
        Column of a table whose rows of one value are checkpoints of one run.
    """

    frame: pd.DataFrame
    dropped: tuple[Mapping[str, str], ...] = ()
    count: str | None = None
    notes: tuple[str, ...] = ()
    columns: Mapping[str, str] | None = None
    settings: tuple[str, ...] = ()
    checkpoints: str | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        ranges = [f"{x} {self.frame[x].min():.4g} to {self.frame[x].max():.4g}" for x in "NDCL" if x in self.frame]
        counted = f" (N {self.count})" if self.count else ""
        return f"<Runs: {len(self)} runs{counted}, {', '.join(ranges)}; {len(self.dropped)} dropped>"

    def _repr_html_(self) -> str:
        shown = self.frame.head(MOST_ROWS).filter(["run", *LETTERS, "seed"])
        left = f"<p>{len(self)} rows, {len(self.frame.columns)} columns in .frame</p>"
        dropped = (f"{row['run']}: {row['reason']}" for row in self.dropped)
        return page(repr(self)[1:-1], html_table(shown), left, sentences(dropped, "left out: "), sentences(self.notes))

    def with_count(self, count: Count) -> "Runs":
        """The same runs with N, and C = 6 N D, by another count."""
        return replace(self, frame=with_count(self.frame, count), count=count)

    def where(self, keep: Any) -> "Runs":
        """Some of the runs; for slices of an analysis, not for leaving runs out of it."""
        return replace(self, frame=self.frame[keep])


def select(runs: Runs, selection: Selection, source: str) -> Runs:
    """Take the runs of a selection, each other one dropped with its reason.

    Parameters
    ----------
    runs : Runs
        All that the source has.
    selection : Selection
        Which of them are taken.
    source : str
        Where they are from, for the messages.

    Returns
    -------
    Runs

    Raises
    ------
    UserError
        Runs of several recipes, data sets or tokenizers.
    HarnessError
        No run is left.
    """
    runs = clean(runs, selection.keep_repeats)
    runs = _keep_best(runs) if selection.best_of else _with_advice(runs)
    runs = _drop_worst(runs, selection.drop_worst)
    if runs.frame.empty:
        raise HarnessError(f"no run of {source} can be fitted: {first_reasons(runs.dropped)}")
    if not (selection.keep_recipes or selection.best_of):
        _refuse_mixed(runs.frame, source, selection.may_differ)
    return replace(runs, frame=runs.frame.drop(columns="science", errors="ignore"))


def _keep_best(runs: Runs) -> Runs:
    """Of several settings, or recipes of records, the best at each N and D."""
    setting = SETTING_ID if runs.columns is not None else "recipe"
    if setting not in runs.frame or not {"N", "D"} <= set(runs.frame):
        return replace(runs, notes=(*runs.notes, "--best-of loss changes nothing: no N and D has several settings"))
    frame = runs.frame
    if "loss_nats_valid" in frame:  # a choice reads the validation text, whatever is reported
        frame = frame.assign(L=frame["loss_nats_valid"])
    others, notes = best_settings(frame, setting)
    kept = without(runs, dict.fromkeys(others, NOT_BEST))
    return replace(kept, notes=(*runs.notes, *notes), frame=kept.frame.drop(columns=SETTING_ID, errors="ignore"))


def _with_advice(runs: Runs) -> Runs:
    """Say of a table what its rows are, where they are more than single runs."""
    advice = [settings_sentence(runs.frame, runs.settings)] if runs.settings else []
    if runs.checkpoints:
        advice.append(checkpoint_sentence(runs.frame, runs.checkpoints))
    return replace(runs, notes=(*runs.notes, *advice))


def with_count(frame: pd.DataFrame, count: Count) -> pd.DataFrame:
    """Rows of records with N, D, C and L by that count."""
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
    is_table = runs.columns is not None
    frame = runs.frame.drop(columns=OF_RECORDS, errors="ignore") if is_table else runs.frame
    if "epochs" not in frame and {"D", "U"} <= set(frame):
        frame = frame.assign(epochs=frame.D / frame.U)
    if keep_repeats:
        frame = frame.drop(columns="epochs", errors="ignore")
    reasons = {i: reason for i, row in frame[_suspect(frame)].iterrows() if (reason := _reason_to_drop(row.to_dict()))}
    key = "fingerprint" if "fingerprint" in frame else [c for c in (*LETTERS, "S", "seed") if c in frame]
    copies = [] if is_table else list(frame.index[frame.duplicated(key)])  # of a table `read_table` has found them
    return without(runs, dict.fromkeys(copies, COPY) | reasons)


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
    return without(runs, dict.fromkeys(worst, f"one of the {number} largest losses (drop_worst)"))


def without(runs: Runs, reasons: Mapping[Any, str]) -> Runs:
    """Leave out rows, by their index, with the reason."""
    if not reasons:
        return runs
    labels = _labels(runs.frame, reasons)
    dropped = tuple({"run": str(labels.get(i, i)), "reason": reason} for i, reason in reasons.items())
    return replace(runs, frame=runs.frame.drop(index=list(reasons)), dropped=(*runs.dropped, *dropped))


def _labels(frame: pd.DataFrame, rows: Iterable[Any]) -> dict[Any, str]:
    """Name of the run of each row, with the number of the row where several have one name."""
    if "run" not in frame:
        return {}
    column: Any = frame["run"]
    names, shared = column.map(str), column.duplicated(keep=False)
    return {i: f"{names[i]} (row {i + 1})" if shared[i] else names[i] for i in rows}


def first_reasons(dropped: Any) -> str:
    """The first three reasons for which runs were dropped."""
    reasons = list(dict.fromkeys(row["reason"] for row in dropped))
    return "; ".join(reasons[:3]) or "it is empty"


def _refuse_mixed(frame: pd.DataFrame, source: str, may_differ: tuple[str, ...]) -> None:
    """One law holds for one recipe: settings other than shape, length and seed must agree."""
    if "science" not in frame or len(set(frame["recipe"])) == 1:
        return
    differing = differing_fields(frame).items()
    ignored = tuple(f"{name}." for name in may_differ)
    parts = [f"{name} ({', '.join(values[:4])})" for name, values in differing if not f"{name}.".startswith(ignored)]
    if parts:
        raise UserError(
            f"{source} mixes {len(set(frame['recipe']))} recipes, which one law cannot describe; they differ in "
            f"{'; '.join(parts)}. Fit them apart"
        )
