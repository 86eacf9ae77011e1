import pandas as pd
import pytest

from analysis.tables.run_states import unfinished
from scaling_harness.errors import UserError


@pytest.mark.parametrize("column", ["state", "State", "status", "run_state", "info.status", "Job State"])
@pytest.mark.parametrize("word", ["finished", "FINISHED", "COMPLETED", "done", "ok", "success"])
def test_every_word_for_finished_keeps_the_run(column, word):
    assert unfinished(pd.DataFrame({column: [word]})) == ({}, [])


@pytest.mark.parametrize(
    "word",
    [
        "crashed",
        "failed",
        "diverged",
        "TIMEOUT",
        "OUT_OF_MEMORY",
        "preempted",
        "running",
        "CANCELLED by 1000",
        "KILLED",
    ],
)
def test_every_word_for_not_finished_drops_the_run_in_a_sentence(word):
    reasons, _ = unfinished(pd.DataFrame({"state": ["done", word]}))
    assert reasons == {1: f"unfinished: column 'state' says {word}"}


def test_an_unknown_word_beside_known_ones_is_asked_about_and_can_be_answered():
    frame = pd.DataFrame({"status": ["done", "gelungen", "failed"]})
    with pytest.raises(UserError, match=r"'status' says 'gelungen' of 1 runs.*finished=\"gelungen\""):
        unfinished(frame)
    assert list(unfinished(frame, finished=["gelungen"])[0]) == [2]


def test_a_column_of_other_things_drops_nothing_and_is_said():
    reasons, notes = unfinished(pd.DataFrame({"state": ["Ohio", "Iowa"]}))
    assert reasons == {}
    assert "'Ohio', 'Iowa', no states that are known" in notes[0]


def test_empty_states_are_kept_and_counted():
    reasons, notes = unfinished(pd.DataFrame({"state": ["done", None]}))
    assert reasons == {}
    assert notes == ["1 rows have no state in column 'state': they are kept"]


def test_a_column_named_by_the_user_is_the_one():
    frame = pd.DataFrame({"state": ["Ohio", "Iowa"], "how": ["done", "oom"]})
    assert list(unfinished(frame, "how")[0]) == [1]
