"""The run store: one folder for each run, named by readable name and fingerprint, shared by all sweeps.

`<runs_dir>/store/<run_id>/` holds `record.json` (if finished, or failed for good), `metrics.jsonl` and the attempts;
`<runs_dir>/checkpoints/<job_id>.pt` is a job's last checkpoint, and
`<run_id>-trunk.pt` the state that a trunk saved for a branch, both kept as long as they are needed.
"""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.record.record import METRICS_FILE, RECORD_FILE, RunRecord, read_record

TUNED_FILE = "tuned.json"
"""File in a sweep's folder that says with how much effort its settings were tuned."""


@dataclass(frozen=True)
class Store:
    """Paths below one `runs_dir`; none of them is created here."""

    runs_dir: Path

    @functools.cached_property
    def _folder(self) -> str:
        return f"{self.runs_dir}/store"

    def run_dir(self, run_id: str) -> Path:
        """Folder of a run."""
        return Path(f"{self._folder}/{run_id}")

    def record_path(self, run_id: str) -> Path:
        """Path of the record: if it exists, the run is finished or has failed for good."""
        return Path(f"{self._folder}/{run_id}/{RECORD_FILE}")

    def metrics_path(self, run_id: str) -> Path:
        """Path of the training curve, readable at any time."""
        return self.run_dir(run_id) / METRICS_FILE

    def checkpoint_path(self, job_id: str) -> Path:
        """Path of a job's last checkpoint."""
        return self.runs_dir / "checkpoints" / f"{job_id}.pt"

    def snapshot_path(self, run_id: str) -> Path:
        """Path of the state that a trunk saves for a branch to start from."""
        return self.runs_dir / "checkpoints" / f"{run_id}-trunk.pt"

    def sweep_dir(self, name: str) -> Path:
        """Folder of a sweep: its list of runs, report and summary."""
        return self.runs_dir / name

    def is_finished(self, run_id: str) -> bool:
        """Whether a record exists, of whatever status."""
        # Called most of all: 64 workers look at each run of a sweep, and pathlib takes longer than the file system.
        return os.path.exists(f"{self._folder}/{run_id}/{RECORD_FILE}")

    def read(self, run_id: str) -> RunRecord:
        """Read the record of a finished run; see `record.read_record`."""
        return read_record(self.record_path(run_id))
