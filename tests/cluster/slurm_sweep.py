"""A sweep of real, tiny trainings below one directory, launched and watched as a user would, and judged afterwards."""

import datetime
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import paced
from slurm_rig import LEASE_S, wait_for

from scaling_harness.execution.attempts import attempt_numbers, attempt_path, read_attempt, read_end
from scaling_harness.record.atomic_files import read_jsonl
from scaling_harness.record.record import RunRecord
from scaling_harness.record.store import Store

HERE = Path(__file__).parent
SLOW_S = 0.5
"""A step of a sweep that waits for its disturbance: 400 of them outlast any machine's slowness."""

_PACED = "{{shapes: [[1, 16]], budgets: {{n_tokens: [12800]}}, seeds: {seeds}, over: {{model.target: {targets}}}}}"
_STACKED = "{shapes: [[1, 16]], budgets: {n_tokens: [12800]}, seeds: [0, 1]}"


@dataclass(frozen=True)
class Folders:
    """What sweeps share: the corpus and its tokens."""

    corpus: Path
    tokens: Path


class Sweep:
    """One sweep and its store.

    Parameters
    ----------
    folder : Path
        Empty.
    shared : Folders
        The corpus.
    slurm : Slurm or None
        None for a local sweep.
    seeds : sequence of int
        One paced run each.
    stacked : bool
        Whether two runs of the built-in architecture are trained as well, in lockstep.
    doomed : bool
        Whether two runs are added that fail as long as the file `doom` exists.
    pace : Path, optional
        File with the pause of a step, if workers do not inherit the environment of the command that starts the sweep.
    """

    def __init__(self, folder, shared, slurm=None, *, seeds=(0, 1, 2, 3), stacked=True, doomed=False, pace=None):
        self.name, self.runs_dir, self.slurm = "mine", folder / "runs", slurm
        self.store = Store(self.runs_dir)
        self._folder, self._shared = folder, shared
        self._pace, self.doom = pace or folder / "pace", folder / "doom"
        (folder / "conf" / "sweep").mkdir(parents=True, exist_ok=True)
        grids = [_PACED.format(seeds=list(seeds), targets="[paced:decoder]")]
        grids += [_STACKED] if stacked else []
        grids += [_PACED.format(seeds=[0], targets="[paced:raises, paced:killed]")] if doomed else []
        text = f'question: "?"\nname: {self.name}\nstack: 2\ngrids: [{", ".join(grids)}]\n'
        (folder / "conf" / "sweep" / f"{self.name}.yaml").write_text("# @package sweep\n" + text)

    @property
    def environment(self):
        """That of the shell from which it is launched."""
        inherited = self.slurm.environment if self.slurm else os.environ
        path = os.pathsep.join([str(HERE.parents[1]), str(HERE), os.environ.get("PYTHONPATH", "")])
        mine = {paced.PACE: str(self._pace), paced.DOOM: str(self.doom), "SCALING_HARNESS_LEASE_S": str(LEASE_S)}
        return {**inherited, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **mine}

    def pace(self, seconds):
        """Set the pause of every step of the paced runs, those under way as well."""
        temporary = self._pace.with_suffix(".new")
        temporary.write_text(str(seconds))
        temporary.replace(self._pace)

    def command(self, verb, *overrides):
        """Words of `sweep VERB`: one that reads takes no configuration."""
        words = [sys.executable, "-m", "scaling_harness", "sweep", verb, self.name, f"--runs-dir={self.runs_dir}"]
        if verb in ("status", "logs", "retry", "cancel", "mirror"):
            return [*words, *overrides]
        tiny = [
            "data=files",
            f"data.path={self._shared.corpus}",
            'data.document_separator="<|end|>"',
            "data.valid_fraction=0.2",
            "model.n_ctx=32",
            "budget.batch_tokens=32",
            "evaluation.n_points=4",
            "evaluation.n_tokens=256",
            "evaluation.final_n_tokens=512",
            "runtime.checkpoint_every_s=0.5",
            f"runtime.data_dir={self._shared.tokens}",
        ]
        return [*words, *tiny, *overrides, "--config-dir", str(self._folder / "conf")]

    def slurm_overrides(self, *more, workers=2, slots=2, setup=()):
        """`launcher=slurm`, a task a node, and every node a machine of its own: locks do not tell of the others."""
        lines = ["export SCALING_HARNESS_KERNEL=$SLURMD_NODENAME", *setup]
        return [
            "launcher=slurm",
            "launcher.partition=main",
            f"launcher.workers={workers}",
            f"launcher.slots={slots}",
            "launcher.gpus=2",
            f"launcher.setup={json.dumps(lines)}",
            *more,
        ]

    def call(self, verb, *overrides, expect=0):
        """Run `sweep VERB`; what it said on both streams."""
        said = subprocess.run(
            self.command(verb, *overrides), env=self.environment, capture_output=True, text=True, timeout=400
        )
        assert said.returncode == expect, said.stdout + said.stderr
        return said.stdout + said.stderr

    def launch(self, *more, **options):
        """Run `sweep run` on SLURM; see `slurm_overrides`."""
        return self.call("run", *self.slurm_overrides(*more, **options))

    @property
    def run_ids(self):
        """Every run of the sweep."""
        manifest = json.loads((self.store.sweep_dir(self.name) / "sweep.json").read_text())
        return [run["run_id"] for job in manifest["jobs"] for run in job["runs"]]

    def records(self):
        """Records by run, of those that are finished."""
        return {run_id: self.store.read(run_id) for run_id in self.run_ids if self.store.is_finished(run_id)}

    def checkpoints(self):
        """Checkpoint files, whole ones."""
        folder = self.runs_dir / "checkpoints"
        return sorted(folder.glob("*.pt")) if folder.exists() else []

    def attempts(self, run_id):
        """How each attempt at a run ended, None where nothing was said."""
        folder = self.store.run_dir(run_id)
        return [read_end(folder, number) for number in attempt_numbers(folder)]

    def newest(self, run_id):
        """Number and text of the newest attempt at a run."""
        folder = self.store.run_dir(run_id)
        number = attempt_numbers(folder)[-1]
        return number, read_attempt(folder, number)

    def last_beat(self, run_id, number):
        """When an attempt was last touched by its owner, by the file system's clock."""
        return attempt_path(self.store.run_dir(run_id), number).stat().st_mtime

    def claimed_at(self, run_id, number):
        """When an attempt was begun, by its owner's clock, which is right where no test makes it wrong."""
        attempt = read_attempt(self.store.run_dir(run_id), number)
        return datetime.datetime.fromisoformat(attempt.started).timestamp()

    def wait_for_checkpoints(self, n):
        """Wait until so many jobs are under way and saved, and no others; the run ids of the paced ones."""

        def under_way():
            return sorted(path.stem for path in self.checkpoints() if path.stem.startswith("decoder"))

        wait_for(lambda: len(under_way()) == n, f"{n} paced runs are saved")
        return under_way()

    def wait_until_finished(self, seconds=180.0):
        """Wait until every run has a record."""
        wait_for(lambda: len(self.records()) == len(self.run_ids), f"every run is finished{self._said()}", seconds)

    def wait_until_left(self):
        """Wait until SLURM has no job of it any more."""
        wait_for(lambda: not self.slurm.live_jobs(), f"no job is left, {self.slurm.live_jobs()}{self._said()}")

    def finish(self):
        """Let it go on at full speed to its end, and until its last worker has left."""
        self.pace(0)
        self.wait_until_finished()
        self.wait_until_left()

    def logs(self):
        """All that its nodes have printed."""
        folder = self.store.sweep_dir(self.name) / "logs"
        return "\n".join(path.read_text(errors="replace") for path in sorted(folder.glob("*")))

    def _said(self):
        return f"; its logs say\n{self.logs()[-3000:]}"


def assert_undisturbed(sweep, reference, except_for=()):
    """Check that every run is done exactly once, and its curve and losses are those of a sweep nobody touched."""
    known: dict[str, RunRecord] = reference.records()
    for run_id in set(sweep.run_ids) - set(except_for):
        record = sweep.store.read(run_id)
        assert record.status == "completed", (run_id, record.reason)
        outcomes = [end.outcome for end in sweep.attempts(run_id) if end]
        assert outcomes.count("completed") == 1, (run_id, outcomes)
        assert record.losses == known[run_id].losses, run_id
        path = sweep.store.metrics_path(run_id)
        steps = [row["step"] for row in read_jsonl(path) if "loss" in row]
        assert steps == list(range(1, record.n_steps + 1)), run_id
        assert path.read_bytes() == reference.store.metrics_path(run_id).read_bytes(), run_id
    assert not sweep.checkpoints()
