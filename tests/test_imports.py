"""Imports run one way, and importing any package is cheap."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_the_contracts_of_pyproject_hold():
    """In a process of its own: import-linter turns off the loggers of whoever calls it."""
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", ["scaling_harness", "sweeps", "analysis"])
def test_importing_a_package_imports_nothing_heavy(package):
    heavy = "{'torch', 'pandas', 'scipy', 'matplotlib', 'hydra', 'wandb', 'rich', 'pydantic'}"
    code = f"import sys, {package}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "hydra", "omegaconf", "wandb", "sweeps"}:
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
"""


def test_analysis_works_where_torch_and_hydra_are_not_installed():
    modules = "analysis.runs.load, analysis.fitting.fit, analysis.frontier.approaches, analysis.report.write"
    subprocess.run([sys.executable, "-c", f"{BLOCK}\nimport {modules}"], check=True)
