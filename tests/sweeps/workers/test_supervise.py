"""What a launcher says of a worker that ended."""

import types

import pytest

from scaling_harness.errors import HarnessError, UserError
from sweeps.workers import supervise
from sweeps.workers.supervise import Exit, _check_exit


def test_the_last_line_of_a_worker_is_its_reason(tmp_path):
    with pytest.raises(UserError, match="give a number"):
        _check_exit(Exit(0, 1, 2, "give a number"), tmp_path)
    _check_exit(Exit(0, 1, -9, "half a line"), tmp_path)


@pytest.mark.parametrize(
    ("free", "sentence"),
    [
        (1000, "the disk holding .* is full; free some space and start again: nothing is lost"),
        (1e9, "printed no reason"),
    ],
)
def test_a_worker_on_a_full_disk_could_not_write_its_reason(tmp_path, monkeypatch, free, sentence):
    monkeypatch.setattr(supervise.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=free))
    with pytest.raises(HarnessError, match=sentence):
        _check_exit(Exit(0, 1, 1, ""), tmp_path)
