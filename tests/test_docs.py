"""The pages that `make docs` writes, of one module."""

import subprocess
import sys
from pathlib import Path

import pytest

import analysis.figures

pytest.importorskip("pdoc", reason="writes the pages")
BUILD = Path(__file__).parent.parent / ".ci" / "docs.py"


def test_pages_are_written_from_docstrings_without_a_warning(tmp_path):
    command = [sys.executable, "-W", "error", str(BUILD), str(tmp_path), "analysis.figures"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "analysis" / "figures.html").read_text()
    for name in analysis.figures.__all__:
        assert f'id="{name}"' in page, name
    assert '<h6 id="parameters">' in page
    assert "From <code>three_approaches</code>." in page
    assert (tmp_path / "analysis" / "figures" / "style.html").exists()
