"""Where runs live: one folder a run, keyed by readable name and fingerprint, shared by all sweeps.

`<runs_dir>/store/<run_id>/` holds `record.json` (finished, or finally failed), `metrics.jsonl` and the attempts at it;
`<runs_dir>/checkpoints/<job_id>.pt` is a job's last checkpoint, and
`<run_id>-trunk.pt` the state that a trunk left for a branch, both kept as long as they are needed.
"""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from scaling_harness.record.record import METRICS_FILE, RECORD_FILE, RunRecord, read_record

TUNED_FILE = "tuned.json"
"""With how much effort the settings of a sweep were tuned, beside the list of its runs."""


@dataclass(frozen=True)
class Store:
    """Paths below one `runs_dir`; makes nothing."""

    runs_dir: Path

    @functools.cached_property
    def _folder(self) -> str:
        return f"{self.runs_dir}/store"

    def run_dir(self, run_id: str) -> Path:
        """Folder of a run."""
        return Path(f"{self._folder}/{run_id}")

    def record_path(self, run_id: str) -> Path:
        """The record: its existence means finished, or finally failed."""
        return Path(f"{self._folder}/{run_id}/{RECORD_FILE}")

    def metrics_path(self, run_id: str) -> Path:
        """The training curve, readable at any time."""
        return self.run_dir(run_id) / METRICS_FILE

    def checkpoint_path(self, job_id: str) -> Path:
        """A job's last checkpoint."""
        return self.runs_dir / "checkpoints" / f"{job_id}.pt"

    def snapshot_path(self, run_id: str) -> Path:
        """What its trunk leaves for a run to start from."""
        return self.runs_dir / "checkpoints" / f"{run_id}-trunk.pt"

    def sweep_dir(self, name: str) -> Path:
        """Folder of a sweep: its list of runs, report and summary."""
        return self.runs_dir / name

    def is_finished(self, run_id: str) -> bool:
        """Whether a record exists, of whatever status."""
        # Asked most of all: 64 workers look at each run of a sweep, and pathlib takes longer than the file system.
        return os.path.exists(f"{self._folder}/{run_id}/{RECORD_FILE}")

    def read(self, run_id: str) -> RunRecord:
        """Read the record of a finished run; see `record.read_record`."""
        return read_record(self.record_path(run_id))
