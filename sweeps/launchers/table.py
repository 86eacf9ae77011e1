"""List the launchers by name.

To add one, write a file here that follows `protocol.Launcher`, add its class to `sweeps.config`, and list it below.
"""

from collections.abc import Mapping

from sweeps.config import LauncherConfig
from sweeps.launchers.local import LocalLauncher
from sweeps.launchers.protocol import Launcher
from sweeps.launchers.ray_launcher import RayLauncher
from sweeps.launchers.slurm.launcher import SlurmLauncher

LAUNCHERS: Mapping[str, type[Launcher]] = {
    "local": LocalLauncher,
    "slurm": SlurmLauncher,
    "ray": RayLauncher,
}


def launcher_of(config: LauncherConfig) -> Launcher:
    """Make the launcher that a configuration names."""
    return LAUNCHERS[config.kind](config)
