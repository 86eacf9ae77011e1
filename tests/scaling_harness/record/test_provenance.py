"""The version of the code that decides numbers."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scaling_harness
from scaling_harness.record.provenance import code_version, is_comparable_version

PACKAGE = Path(scaling_harness.__file__).parent


@pytest.fixture
def version_of_copy(tmp_path):
    """The version that a copy of the package gives itself, after some file of it was edited."""
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def ask(edited: str | None = None) -> str:
        if edited:
            (copy / edited).write_text((copy / edited).read_text() + "\n# edited\n")
        code = "from scaling_harness.record.provenance import code_version; print(code_version())"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return ask


def test_only_code_that_decides_numbers_changes_the_version(version_of_copy):
    version = version_of_copy()
    assert version == code_version()
    for harmless in (
        "cli/fit.py",
        "cli/sweep/plan.py",
        "text_table.py",
        "execution/claim.py",
        "wandb_mirror/follow.py",
    ):
        assert version_of_copy(harmless) == version, harmless
    seen = {version}
    for room in ("training/trainer.py", "models/decoder.py", "plan/plan.py", "data/batches.py", "record/record.py"):
        version = version_of_copy(room)
        assert version not in seen, room
        seen.add(version)


def test_a_version_says_how_it_was_measured():
    assert re.fullmatch(r"rooms-[0-9a-f]{12}", code_version())
    assert is_comparable_version(code_version())
    for earlier in ("c1430b4" + 33 * "0", "c1430b4" + 33 * "0" + "+12345678", "0.1.0"):
        assert not is_comparable_version(earlier)
