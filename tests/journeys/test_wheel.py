"""What a user installs: a wheel that is built here, unpacked into a folder, and called from an empty one."""

import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="builds the wheel")
ROOT = Path(__file__).parents[2]
DATA = {
    "conf": "*.yaml",
    "sweeps/archive": "*.zst",
    "analysis": "*.j2",
    "analysis/explorer": "*.css",
    "analysis/explorer/js": "*.js",
    "analysis/explorer/vendor": "*",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built without isolation, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture
def installed(wheel, tmp_path):
    """Call the command as installed in a folder that comes before this checkout; gives what it prints."""
    site, desk = tmp_path / "site", tmp_path / "desk"
    desk.mkdir()
    zipfile.ZipFile(wheel).extractall(site)

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "scaling_harness", *arguments]
        env = {**os.environ, "PYTHONPATH": str(site)}
        return subprocess.run(command, cwd=desk, env=env, check=True, capture_output=True, text=True).stdout

    return site, call


def test_every_file_that_the_code_reads_is_inside(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    files = [path.relative_to(ROOT) for folder, kind in DATA.items() for path in (ROOT / folder).rglob(kind)]
    assert len(files) > 20
    wanted = {f"scaling_harness/{file}" if file.parts[0] == "conf" else str(file) for file in files}
    modules = {
        str(path.relative_to(ROOT)) for name in ("scaling_harness", "sweeps") for path in ROOT.glob(f"{name}/*.py")
    }
    assert wanted | modules <= inside
    assert not any(name.startswith("tests/") for name in inside)


def test_a_user_need_not_install_what_tests_need(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    required = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist") or []
    always = {re.split(r"[<>=!]", line)[0] for line in required if "extra ==" not in line}
    assert {"torch", "numpy", "hydra-core"} <= always
    assert not always & {"pytest", "pytest-xdist", "ruff", "pdoc", "hatchling"}


def test_an_installation_knows_its_code_and_whether_it_was_changed(installed):
    site, call = installed
    assert "reproduce-quick" in call("sweep", "list")
    first = call("--version")
    assert re.fullmatch(r"scaling-harness [\d.]+, code rooms-\w+, torch [\w.+]+\n", first)
    decoder = site / "scaling_harness" / "models" / "decoder.py"
    decoder.write_text(decoder.read_text() + "# changed\n")
    second = call("--version")
    assert "(changed since it was installed)" in second
    assert re.findall(r"rooms-\w+", first) != re.findall(r"rooms-\w+", second)
