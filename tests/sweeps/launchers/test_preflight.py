import dataclasses

import pytest

from scaling_harness.errors import UserError
from sweeps.config import LocalLauncherConfig
from sweeps.launchers import preflight
from sweeps.launchers.preflight import check_launch, check_node


def test_processes_that_train_one_run_must_divide_its_batch(make_manifest):
    manifest, store = make_manifest(1)
    check_launch(manifest, store)
    shared = dataclasses.replace(manifest, launcher=LocalLauncherConfig(gpus_per_run=7))
    with pytest.raises(UserError, match=r"launcher\.gpus_per_run is 7, .* a number that divides them"):
        check_launch(shared, store)


def test_a_node_with_other_code_refuses(make_manifest, monkeypatch):
    manifest, store = make_manifest(1)
    check_node(manifest, store)
    monkeypatch.setattr(preflight, "code_version", lambda: "another")
    with pytest.raises(UserError, match="--mix-versions"):
        check_node(manifest, store)
