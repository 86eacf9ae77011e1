from typing import get_args

from scaling_harness.config.compose import CONF_DIR
from sweeps.config import LauncherConfig
from sweeps.launchers.table import LAUNCHERS, launcher_of


def test_every_launcher_that_can_be_configured_is_in_the_table():
    kinds = {config.kind for config in get_args(LauncherConfig)}
    files = {path.stem for path in (CONF_DIR / "launcher").glob("*.yaml")}
    assert set(LAUNCHERS) == kinds == files


def test_a_configuration_finds_its_launcher(make_manifest):
    manifest, _ = make_manifest(1)
    assert isinstance(launcher_of(manifest.launcher), LAUNCHERS["local"])
