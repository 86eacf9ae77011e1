"""A sweep as it was planned, for what does not train it: nothing is resolved, and little imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling_harness.config.compose import validate
from scaling_harness.config.schema import RuntimeConfig, WandbConfig
from scaling_harness.errors import HarnessError, UserError
from scaling_harness.record import sweep_listing
from scaling_harness.record.sweep_listing import SWEEP_FILE, ListedJob, SweepListing
from sweeps.compose import launcher_config
from sweeps.config import Device, LauncherConfig


@dataclass(frozen=True)
class PlannedSweep:
    """A sweep as it was planned, its runs not resolved."""

    name: str
    runtime: RuntimeConfig
    wandb: WandbConfig
    launcher: LauncherConfig
    jobs: tuple[ListedJob, ...]

    @property
    def devices(self) -> tuple[Device, float]:
        """Devices that a run keeps busy; see `_Launcher.devices`."""
        return self.launcher.devices(self.runtime)


def read_planned_sweep(sweep_dir: Path) -> PlannedSweep:
    """Read a sweep as it was planned, its jobs longest first; fast, since no run is resolved or checked.

    Parameters
    ----------
    sweep_dir : Path
        Folder of the sweep.

    Returns
    -------
    PlannedSweep

    Raises
    ------
    UserError, HarnessError
        There is no such sweep, or its file is damaged.
    """
    listing, launch = read_launch(sweep_dir)
    runtime, wandb = validate(RuntimeConfig, launch["runtime"]), validate(WandbConfig, launch["wandb"])
    return PlannedSweep(listing.name, runtime, wandb, launcher_config(launch), listing.jobs)


def read_launch(sweep_dir: Path) -> tuple[SweepListing, Mapping[str, Any]]:
    """Read the listing and how to train it; refuse one that does not say how."""
    listing, path = sweep_listing.read_listing(sweep_dir), sweep_dir / SWEEP_FILE
    if listing.launch is None:
        raise UserError(
            f"{path} came from an archive, which lists runs but not how to train them: delete it and start the sweep "
            f"again with `scaling-harness sweep run {listing.name}`; finished runs stay"
        )
    if listing.schema_version != sweep_listing.SCHEMA_VERSION:
        raise HarnessError(f"{path} was written by an older version of this code: delete it and start the sweep again")
    return listing, listing.launch
