"""Workers find the data of a sweep as it was planned, and make none."""

import pytest

from scaling_harness.data import corpus
from scaling_harness.errors import UserError
from sweeps.planning.manifest import read_manifest


def test_a_worker_does_not_look_for_the_source(make_manifest, monkeypatch):
    manifest, store = make_manifest(1, 2)

    def no_network(*_):
        raise AssertionError("a worker opened the corpus")

    monkeypatch.setattr(corpus, "_open_files", no_network)
    assert read_manifest(store.sweep_dir("fake")) == manifest


def test_tokens_that_are_not_here_are_said_and_not_made(make_manifest, tmp_path):
    manifest, store = make_manifest(1, data_dir=str(tmp_path / "elsewhere"))
    path = manifest.runs[0].data.valid_path
    path.unlink()
    with pytest.raises(UserError, match=r"valid\.u8 does not exist on .*data prepare"):
        read_manifest(store.sweep_dir("fake"))
    assert not path.exists()
