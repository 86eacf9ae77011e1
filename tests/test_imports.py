"""Imports run one way, and importing any package is cheap."""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("scaling_harness", "sweeps", "analysis")


def test_the_contracts_of_pyproject_hold():
    """In a process of its own: import-linter turns off the loggers of whoever calls it."""
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def rooms_of(contract: dict) -> list[str]:
    """Full names of a contract's layers; of those that are whole packages none."""
    names = [name for layer in contract["layers"] for name in re.findall(r"[\w.]+", layer)]
    full = [f"{container}.{name}" for container in contract.get("containers", ()) for name in names] or names
    return [name for name in full if "." in name]


def test_every_module_is_in_exactly_one_layer():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = Counter(room for contract in contracts if contract["type"] == "layers" for room in rooms_of(contract))
    files = [path.relative_to(ROOT).with_suffix("") for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    modules = {".".join(path.parts).removesuffix(".__init__") for path in files} - set(PACKAGES)
    times = {module: sum(layers[room] for room in layers if f"{module}.".startswith(f"{room}.")) for module in modules}
    assert len(modules) > 100
    assert {module: n for module, n in times.items() if n != 1} == {}


@pytest.mark.parametrize("package", PACKAGES)
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
