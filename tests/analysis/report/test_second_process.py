import os
import pickle
import signal
import threading
import time
import warnings
from functools import partial

import pytest

from analysis.figures import offset_profile
from analysis.figures.style import inline_svg
from analysis.laws.chinchilla import chinchilla, tied
from analysis.laws.registry import law_named
from analysis.report import panels
from analysis.report import second_process as second
from analysis.report.second_process import ENOUGH_RESAMPLES, in_turn, pickled, second_process
from analysis.report.summary import summary_document
from scaling_harness.errors import UserError

TWO_CORES = pytest.mark.skipif(second._cores() < 2, reason="one core: there is no second process")


@pytest.fixture(scope="module")
def share():
    """One that imports no more than these tests need."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(second, "_START", second._START.replace("import analysis.report.write\n", ""))
        with second_process(ENOUGH_RESAMPLES) as shared:
            yield shared


@TWO_CORES
def test_both_processes_work_and_results_come_in_order(share):
    assert share([partial(divmod, 17, n) for n in (3, 5, 7)]) == [(5, 2), (3, 2), (2, 3)]
    pids = set(share([partial(time.sleep, 0.05), os.getpid] * 3))
    assert len(pids - {None, os.getpid()}) == 1


@TWO_CORES
def test_a_law_is_the_same_object_when_it_comes_back(share):
    back = share([partial(dict, law=law) for law in (chinchilla, tied)] * 20)
    assert all(each["law"] is law for each, law in zip(back, (chinchilla, tied) * 20, strict=True))


@TWO_CORES
def test_errors_and_warnings_are_those_of_this_process(share):
    with pytest.raises(UserError, match="'no law' is not known"):
        share([partial(time.sleep, 0.05), partial(law_named, "no law"), os.getpid])
    with pytest.warns(UserWarning, match="seen") as seen:
        share([partial(warnings.warn, "seen")] * 10)
    assert len(seen) == 10


@TWO_CORES
def test_what_cannot_be_sent_is_made_here(share):
    lock = threading.Lock()
    assert share([partial(time.sleep, 0.1), lock.locked, lambda: 7]) == [None, False, 7]


def test_little_work_and_one_core_need_no_second_process(monkeypatch):
    with second_process(ENOUGH_RESAMPLES - 1) as shared:
        assert shared is in_turn
    monkeypatch.setattr(second, "_cores", lambda: 1)
    with second_process(ENOUGH_RESAMPLES) as shared:
        assert shared is in_turn
    assert in_turn([partial(divmod, 7, 2), os.getpid]) == [(3, 1), os.getpid()]


def test_what_is_sent_is_what_arrives(simulated_analysis):
    analysis = pickle.loads(pickled(simulated_analysis))
    assert summary_document(analysis) == summary_document(simulated_analysis)
    profiles = [
        inline_svg(panels.single(partial(offset_profile, profile=each.third.profile)), "offset_profile")
        for each in (analysis, simulated_analysis)
    ]
    assert profiles[0] == profiles[1]


@TWO_CORES
def test_a_process_that_is_killed_leaves_its_calls_to_this_one(share):
    other = next(iter(set(share([os.getpid, *[partial(time.sleep, 0.05), os.getpid] * 3])) - {None, os.getpid()}))
    os.kill(other, signal.SIGKILL)
    assert share([os.getpid] * 20) == [os.getpid()] * 20
