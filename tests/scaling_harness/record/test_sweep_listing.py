import dataclasses
import json

import pytest

from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record.sweep_listing import (
    SCHEMA_VERSION,
    SWEEP_FILE,
    ListedJob,
    ListedRun,
    read_listing,
    write_listing,
)


def test_a_listing_comes_back_as_it_was_written(listing, tmp_path):
    write_listing(tmp_path, listing)
    assert read_listing(tmp_path) == listing
    write_listing(tmp_path, dataclasses.replace(listing, launch=None))
    assert read_listing(tmp_path).launch is None


def test_the_first_version_is_read(tmp_path):
    """As commit 2fca8b6 wrote it: every run with its whole configuration, no lengths, law or aims."""
    run = {"run_id": "r", "fingerprint": "f", "config": {"seed": 3}}
    document = {"schema_version": 1, "name": "old", "question": "?", "hold_out": 2, "runtime": {}, "wandb": {}}
    document |= {"jobs": [{"job_id": "j", "needs": [], "runs": [run]}]}
    (tmp_path / SWEEP_FILE).write_text(json.dumps(document))
    read = read_listing(tmp_path)
    assert (read.name, read.hold_out, read.law, read.schema_version) == ("old", 2, "chinchilla", 1)
    assert read.jobs == (ListedJob("j", (ListedRun("r", fingerprint="f", config={"seed": 3}),)),)


def test_a_newer_version_is_refused(listing, tmp_path):
    write_listing(tmp_path, listing)
    document = json.loads((tmp_path / SWEEP_FILE).read_text())
    (tmp_path / SWEEP_FILE).write_text(json.dumps({**document, "schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(HarnessError, match=r"has schema version 4, this code reads up to 3: update"):
        read_listing(tmp_path)


@pytest.mark.parametrize("text", ['{"schema', "[]", '{"jobs": [{"job_id": "j", "runs": [{}]}]}', '{"jobs": 3}'])
def test_a_damaged_file_is_refused(text, tmp_path):
    (tmp_path / SWEEP_FILE).write_text(text)
    with pytest.raises(HarnessError, match="start the sweep again"):
        read_listing(tmp_path)


def test_a_sweep_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_listing(tmp_path / "nowhere")
