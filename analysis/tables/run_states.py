"""Which runs of a table have finished: the words of wandb, mlflow, sacct and hands."""

import re
from collections.abc import Collection, Iterable
from typing import Any

import pandas as pd

from analysis.tables.column_names import STATES, all_called
from scaling_harness.errors import UserError

FINISHED = {"finished", "finish", "complete", "completed", "done", "ok", "okay", "success", "successful", "succeeded"}
FINISHED |= {"passed", "converged"}
UNFINISHED = {"crashed", "crash", "failed", "fail", "failure", "error", "errored", "diverged", "divergent", "nan"}
UNFINISHED |= {"timeout", "timed out", "time out", "out of memory", "oom", "out of me", "preempted", "preempting"}
UNFINISHED |= {"running", "killed", "cancelled", "canceled", "cancel", "pending", "queued", "scheduled", "node fail"}
UNFINISHED |= {"aborted", "stopped", "interrupted", "unfinished", "incomplete", "suspended", "requeued", "boot fail"}
UNFINISHED |= {"deleted", "paused", "starting", "initializing", "not finished", "not done", "in progress", "waiting"}
UNFINISHED |= {"trunk"}
WORDS_SHOWN = 3


def unfinished(
    frame: pd.DataFrame, column: str | None = None, finished: Collection[str] = ()
) -> tuple[dict[Any, str], list[str]]:
    """Find the runs that did not finish.

    Parameters
    ----------
    frame : DataFrame
        As in the file.
    column : str, optional
        The one with the states; by default every one that is called state, status, run_state or the like.
    finished : collection of str
        More words that mean a finished run.

    Returns
    -------
    dict
        Index label of a run -> why it is left out.
    list of str
        What is not known of the states, as sentences.

    Raises
    ------
    UserError
        A column of states has a word of which it is not known whether it means a finished run.
    """
    more = {_plain(word) for word in finished}
    reasons, notes = {}, []
    for name in [column] if column else all_called(frame.columns, STATES):
        words = {index: _plain(value) for index, value in frame[name].items() if not _empty(value)}
        known = {index: word in FINISHED | more for index, word in words.items() if _known(word) or word in more}
        strange = [index for index in words if index not in known]
        if strange and (known or column):
            raise UserError(_question(name, frame[name], strange))
        if strange:
            notes.append(
                f"column {name!r} holds {_shown(frame[name], strange)}, no states that are known: no row is left out; "
                "if some did not finish, write failed in their place"
            )
        elif len(words) < len(frame):
            notes.append(f"{len(frame) - len(words)} rows have no state in column {name!r}: they are kept")
        who = "wandb" if name == "State" and "Name" in frame else f"column {name!r}"
        reasons |= {i: f"unfinished: {who} says {frame[name][i]}" for i, ended in known.items() if not ended}
    return reasons, notes


def _plain(value: Any) -> str:
    """A word without case and marks; "CANCELLED by 1000" and "CANCELLED+" are cancelled."""
    word = re.sub(r"[\W_]+", " ", str(value).lower()).strip()
    return re.sub(r"^(cancell?ed) by .*", r"\1", word)


def _empty(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value or not str(value).strip()


def _known(word: str) -> bool:
    return word in FINISHED or word in UNFINISHED


def _shown(column: Any, rows: Iterable[Any]) -> str:
    words = list(dict.fromkeys(repr(str(column[index])) for index in rows))
    return ", ".join(words[:WORDS_SHOWN]) + (
        f" and {len(words) - WORDS_SHOWN} others" if len(words) > WORDS_SHOWN else ""
    )


def _question(name: str, column: Any, strange: list[Any]) -> str:
    first = str(column[strange[0]])
    return (
        f"column {name!r} says {_shown(column, strange)} of {len(strange)} runs: are they finished? "
        f'If so add finished="{first}" to --columns (several words with | between them); '
        "if not, write failed in their place"
    )
