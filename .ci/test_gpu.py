"""Run the checks of tests/gpu on this machine's GPU, without a network: `make test-gpu`.

The interpreter that runs this needs Python 3.11 or later and torch 2.9 or later; what else is missing is installed from
a folder of wheels, if one is given, to build/gpu/venv, which leaves the interpreter as it was.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "gpu"
NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "hydra": "hydra-core",
    "pydantic": "pydantic",
    "pytest": "pytest",
    "rich": "rich",
    "tokenizers": "tokenizers",
}
"""Distribution of each module that the checks import."""
DEVICE = """
import json, torch
there = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if there else []
print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": names}))
"""


def main() -> int:
    """Find or make an interpreter with what is needed, and run the checks in it; 2 if they cannot run here."""
    parser = argparse.ArgumentParser(description="Run the checks of tests/gpu on this machine's GPU.")
    parser.add_argument("--wheels", type=Path, help="folder of wheels for what is missing")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU: to see the command, not a GPU")
    options = parser.parse_args()
    python = _interpreter(options.wheels)
    found = json.loads(subprocess.run([python, "-c", DEVICE], check=True, capture_output=True, text=True).stdout)
    if tuple(map(int, found["torch"].split(".")[:2])) < (2, 9):
        raise SystemExit(
            f"torch {found['torch']} is here, and the checks need 2.9 or later: install it, or name "
            "another interpreter by PYTHON=..."
        )
    if not found["gpus"] and not options.rehearse:
        raise SystemExit(
            f"no GPU to test: torch {found['torch']} finds no CUDA device here; run this on a machine "
            "with an NVIDIA GPU and a torch built for CUDA, or see it on the CPU with REHEARSE=1"
        )
    return _run(python, found, options.rehearse)


def _interpreter(wheels: Path | None) -> str:
    """Name the running interpreter, or one of an environment that borrows its packages and has what was missing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it is run by whatever PYTHON is
        raise SystemExit(
            f"{sys.executable} is Python {sys.version.split()[0]}, and the checks need 3.11 or 3.12: "
            "name another by PYTHON=..."
        )
    missing = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return sys.executable
    if wheels is None:
        raise SystemExit(
            f"{sys.executable} lacks {', '.join(missing)}: install them, or collect them where there is a "
            f"network with `pip download --dest wheels {' '.join(missing)}` and give WHEELS=wheels"
        )
    venv = FOLDER / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = str(venv / "bin" / "python")
    # Not --system-site-packages, which would leave out those of an interpreter that is itself of an environment.
    (folder,) = venv.glob("lib/python*/site-packages")
    (folder / "borrowed.pth").write_text("\n".join(path for path in sys.path[1:] if Path(path).is_dir()) + "\n")
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels), *missing]
    if subprocess.run(install, check=False).returncode:
        raise SystemExit(f"{wheels} does not hold wheels of {', '.join(missing)} for this Python and machine")
    return python


def _run(python: str, found: dict[str, object], rehearse: bool) -> int:
    name = "rehearsal" if rehearse else str(found["gpus"][0]).replace(" ", "-")  # pyright: ignore[reportIndexIssue]
    path = FOLDER / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    marked = "not gpu and not cluster" if rehearse else "gpu"
    command = [python, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-W", "default", "-m", marked]
    environment = {**os.environ, "GPU_CHECKS_JSON": str(path), "GPU_CHECKS_MACHINE": json.dumps(found)}
    code = subprocess.run([*command, "tests/gpu"], cwd=ROOT, env=environment, check=False).returncode
    print(f"kept in {path}" if path.exists() else "no check ran")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SystemExit as reason:
        if not isinstance(reason.code, str):
            raise
        print(reason.code, file=sys.stderr)
        sys.exit(2)
