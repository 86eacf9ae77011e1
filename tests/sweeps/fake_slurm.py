"""SLURM's commands as shell scripts that note how they were called, and answer from files."""

import os
from pathlib import Path

_SCRIPTS = {
    "sbatch": """
        [ ! -e refusal ] || { cat refusal >&2; exit 1; }
        echo . >> submitted; n=$(wc -l < submitted); cat > script-$n; echo $((100 + n))""",
    "sinfo": "echo main; echo gpu; echo main",
    "squeue": 'case "$*" in *--jobs*) cat state;; *) cat queue;; esac',
    "scontrol": """
        case "$*" in "show config") echo "MaxArraySize    = $(cat max)" ;; *) echo "$@" >> scontrol.log ;; esac""",
    "scancel": 'echo "$@" >> scancel.log; : > queue',
}


class FakeSlurm:
    """Below one folder: `queue` and `state` are what squeue says, `script-N` what was submitted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        for name, body in _SCRIPTS.items():
            path = self.bin / name
            path.write_text(f"#!/bin/sh\ncd {folder}\n{body}\n")
            path.chmod(0o755)
        self.write("queue", "")
        self.write("state", "RUNNING\n")
        self.write("max", "1001\n")
        self.path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    @property
    def scripts(self) -> list[str]:
        return [self.read(f"script-{n + 1}") for n in range(len(self.read("submitted").splitlines()))]

    def set_queue(self, *tasks: tuple[str, str]) -> None:
        """Let tasks such as ("101_0", "RUNNING") wait or run."""
        self.write("queue", "".join(f"{task.partition('_')[0]} {task} {state}\n" for task, state in tasks))
