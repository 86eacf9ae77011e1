"""Check the parts of a composed configuration that describe a sweep, into frozen dataclasses."""

from collections.abc import Mapping
from typing import Any

from scaling_harness.config.compose import validate
from scaling_harness.errors import UserError
from sweeps.config import LauncherConfig, LauncherGroup, SweepConfig


def sweep_config(document: Mapping[str, Any]) -> SweepConfig:
    """Check the sweep part of a composed document; see `validate`."""
    if document.get("sweep") is None:
        raise UserError("the configuration describes one run, not a sweep; name a file of conf/sweep")
    if isinstance(document["sweep"], Mapping) and "sweep" in document["sweep"]:
        raise UserError(
            "the file of this sweep has a key `sweep`, and lacks the line that puts its keys at the top: make "
            "`# @package _global_` its first line"
        )
    return validate(SweepConfig, document["sweep"], prefix="sweep")


def launcher_config(document: Mapping[str, Any]) -> LauncherConfig:
    """Check the launcher part of a composed document; see `validate`."""
    return validate(LauncherGroup, {"launcher": document["launcher"]}).launcher
