import dataclasses
from typing import get_args

import pytest

from scaling_harness.config.compose import CONF_DIR
from scaling_harness.errors import UserError
from scaling_harness.record.sweep_listing import SWEEP_FILE
from sweeps.config import LauncherConfig
from sweeps.launchers import table
from sweeps.launchers.control import cancel
from sweeps.launchers.launch import launch, launch_probe
from sweeps.launchers.table import LAUNCHERS, launcher_of
from sweeps.planning.manifest import CANCELLED
from sweeps.planning.planned_sweep import read_planned_sweep
from sweeps.planning.time_estimate import Speed
from sweeps.timing.probe import Probe


def test_every_launcher_that_can_be_configured_is_in_the_table():
    kinds = {config.kind for config in get_args(LauncherConfig)}
    files = {path.stem for path in (CONF_DIR / "launcher").glob("*.yaml")}
    assert set(LAUNCHERS) == kinds == files


def test_a_configuration_finds_its_launcher(make_manifest):
    manifest, _ = make_manifest(1)
    assert isinstance(launcher_of(manifest.launcher), LAUNCHERS["local"])


@pytest.fixture
def calls(monkeypatch):
    """What is asked of a launcher that stands in the table instead of the local one."""
    asked = []

    class Elsewhere:
        waits = False

        def __init__(self, config):
            self.config = config

        def check(self, manifest):
            asked.append("check")
            if manifest.question == "refused?":
                raise UserError("there is no machine")

        def start(self, manifest, store):
            asked.append("start")
            return manifest.question != "interrupted?"

        def probe(self, folder, runtime):
            asked.append(f"probe {folder.name}")
            return Probe("2026-01-01T00:00:00+00:00", "there", 1, Speed())

        @staticmethod
        def cancel(sweep_dir, force):
            asked.append(f"cancel {'by force' if force else sweep_dir.name}")
            return False

    monkeypatch.setitem(table.LAUNCHERS, "local", Elsewhere)
    return asked


def test_a_launcher_needs_no_more_than_its_class_and_a_line_in_the_table(make_manifest, calls):
    manifest, store = make_manifest(1)
    assert launch(manifest, store) == 0
    assert launch_probe(manifest, store).where == "there"
    assert cancel(read_planned_sweep(store.sweep_dir("fake")), store).startswith("fake is cancelled: 0 of 1")
    assert calls == ["check", "start", "check", "probe probe", "cancel fake", "cancel by force"]
    assert (store.sweep_dir("fake") / CANCELLED).exists()
    assert launch(manifest, store) == 0
    assert not (store.sweep_dir("fake") / CANCELLED).exists()


def test_an_interrupt_has_an_exit_code_of_its_own(make_manifest, calls):
    manifest, store = make_manifest(1)
    manifest = dataclasses.replace(manifest, question="interrupted?")
    assert launch(manifest, store) == 130


def test_what_a_launcher_refuses_is_not_written(make_manifest, calls):
    manifest, store = make_manifest(1)
    (store.sweep_dir("fake") / SWEEP_FILE).unlink()
    manifest = dataclasses.replace(manifest, question="refused?")
    with pytest.raises(UserError, match="no machine"):
        launch(manifest, store)
    assert calls == ["check"]
    assert not (store.sweep_dir("fake") / SWEEP_FILE).exists()
