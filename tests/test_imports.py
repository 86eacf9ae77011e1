"""Every module stands in a layer of the contracts, which `make lint` checks, and importing any package is cheap."""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("scaling_harness", "sweeps", "analysis")


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


IMPORT_ALL = """
import importlib, pkgutil, sys

package, blocked, left_out = sys.argv[1], sys.argv[2].split(","), tuple(sys.argv[3].split(","))

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
root = importlib.import_module(package)
names = [module.name for module in pkgutil.walk_packages(root.__path__, f"{package}.")]
for name in names:
    if not name.startswith(left_out):
        importlib.import_module(name)
print(len(names))
"""
TRAINING = ("scaling_harness.models.", "scaling_harness.training.", "scaling_harness.train", "scaling_harness.__main__")


@pytest.mark.parametrize(
    ("package", "blocked", "left_out"),
    [
        ("analysis", ("torch", "hydra", "omegaconf", "wandb", "sweeps"), ()),
        ("sweeps", ("torch", "hydra", "omegaconf", "wandb", "pandas", "scipy", "matplotlib", "ray", "analysis"), ()),
        ("scaling_harness", ("torch", "hydra", "omegaconf", "wandb", "pandas", "scipy", "matplotlib"), TRAINING),
    ],
)
def test_every_module_can_be_imported_without_what_it_has_no_need_of(package, blocked, left_out):
    """What is imported at the top of a module is paid by all who import it, and has to be installed."""
    words = [package, ",".join(blocked), ",".join(left_out or ("-",))]
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
