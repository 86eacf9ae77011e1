import pytest

from scaling_harness.errors import UserError
from scaling_harness.execution.intervals import POLL_VARIABLE, poll_s, seconds


def test_the_environment_may_shorten_a_pause_and_not_lengthen_it(monkeypatch):
    monkeypatch.setenv(POLL_VARIABLE, "0.5")
    assert (poll_s(2.0), poll_s(0.25)) == (0.5, 0.25)
    monkeypatch.delenv(POLL_VARIABLE)
    assert poll_s(2.0) == 2.0


@pytest.mark.parametrize("text", ["soon", "-1", "0", "inf", "nan", ""])
def test_what_is_no_time_is_refused_in_a_sentence(monkeypatch, text):
    monkeypatch.setenv("SCALING_HARNESS_LEASE_S", text)
    with pytest.raises(UserError, match=f"SCALING_HARNESS_LEASE_S is {text!r}; it is a number of seconds, above 0"):
        seconds("SCALING_HARNESS_LEASE_S", 240.0)
