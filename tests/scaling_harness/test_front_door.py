"""`import scaling_harness as sh`, as a notebook does it."""

import importlib.metadata
import subprocess
import sys

import pytest

import scaling_harness as sh


def test_every_name_is_there_and_no_other():
    assert dir(sh) == sh.__all__
    assert all(getattr(sh, name) for name in sh.__all__)
    assert sh.__version__ == importlib.metadata.version("scaling-harness")
    assert callable(sh.figures.isoflop_parabolas)
    with pytest.raises(AttributeError, match="load_runs"):
        sh.load_rums  # noqa: B018


def test_the_import_alone_costs_nothing():
    code = "import sys; old = set(sys.modules); import scaling_harness as sh; dir(sh); print(*set(sys.modules) - old)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names == {"scaling_harness"}


@pytest.mark.parametrize("hiding", ["analysis.py", "analysis/__init__.py"])
def test_a_file_that_hides_our_package_is_named(hiding, tmp_path):
    path = tmp_path / hiding
    path.parent.mkdir(exist_ok=True)
    path.write_text("this is broken")
    code = "import scaling_harness as sh; sh.fit"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"scaling_harness.errors.UserError: Python finds {path} under the name analysis")
    assert "rename it" in last
