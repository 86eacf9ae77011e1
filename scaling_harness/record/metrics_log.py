"""`metrics.jsonl`: a run's curve, appended in order, cut back when the run resumes from a checkpoint."""

import dataclasses
import json
import math
import os
from pathlib import Path

from scaling_harness.record.atomic_files import explain_os_errors, read_jsonl, rows_until_damage
from scaling_harness.record.gradient_noise_scale import Measurement, latest, noise_scale
from scaling_harness.record.record import BestCheckpoint, EvalLoss, best_checkpoint_of
from scaling_harness.record.row_times import TimesLog


class Curve:
    """The open curve of one run.

    Parameters
    ----------
    path : Path
        `Store.metrics_path` of the run.
    n_bytes : int
        Length to which the file is cut before it is appended to; 0 starts a new curve.
    """

    def __init__(self, path: Path, n_bytes: int) -> None:
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
            self._file.truncate(n_bytes)
        self._times = TimesLog(path, n_bytes)
        self._measurements = measurements(path) if n_bytes else []
        self._lowest = _lowest(path) if n_bytes else math.inf

    def step(self, step: int, tokens: int, flops: float, loss: float, lr: float, grad_norm: float) -> None:
        """Add a training step; 9 digits determine a 32-bit float."""
        self._write(
            f'{{"step": {step}, "tokens": {tokens}, "flops": {flops:.9g}, "loss": {_json(loss)}, '
            f'"lr": {lr:.9g}, "grad_norm": {_json(grad_norm)}}}\n'
        )

    def evaluation(self, step: int, tokens: int, flops: float, valid: EvalLoss) -> bool:
        """Add a validation loss; return whether it is below all before."""
        self._write(
            f'{{"step": {step}, "tokens": {tokens}, "flops": {flops:.9g}, "valid_loss": {_json(valid.loss_nats)}, '
            f'"valid_stderr": {_json(valid.stderr_nats)}{_positions(valid)}}}\n'
        )
        loss = float(_json(valid.loss_nats)) if math.isfinite(valid.loss_nats) else math.inf
        is_lower = loss < self._lowest
        self._lowest = min(loss, self._lowest)
        return is_lower

    def best(self, new: BestCheckpoint, flops: float) -> None:
        """Add the losses of the checkpoint whose validation loss is below all before."""
        row = {"step": new.step, "tokens": new.n_tokens, "flops": float(f"{flops:.9g}")}
        self._write(json.dumps(row | {"best_losses": dataclasses.asdict(new)["losses"]}) + "\n")

    def noise(self, tokens: int, flops: float, new: Measurement, n_ctx: int) -> None:
        """Add a measurement, and B_simple with its 95 % interval over the last third of the steps so far."""
        if math.isfinite(new.grad_sq + new.trace):  # else the run is about to diverge
            # Rounded as in the file, so that a run resumed from the file averages the same numbers.
            self._measurements.append(Measurement(new.step, float(_json(new.grad_sq)), float(_json(new.trace))))
        scale = noise_scale(latest(self._measurements, new.step))
        low, high = scale.ci95_seqs or (None, None)
        self._write(
            f'{{"step": {new.step}, "tokens": {tokens}, "flops": {flops:.9g}, "grad_sq": {_json(new.grad_sq)}, '
            f'"grad_trace": {_json(new.trace)}, "noise_scale_seqs": {_json(scale.seqs)}, '
            f'"noise_scale_seqs_low": {_json(low)}, "noise_scale_seqs_high": {_json(high)}, '
            f'"noise_scale_tokens": {_json(scale.seqs and scale.seqs * n_ctx)}}}\n'
        )

    def _write(self, line: str) -> None:
        with explain_os_errors(Path(self._file.name)):
            self._file.write(line.encode())

    def flush(self) -> None:
        """Flush the buffer, so that readers see all rows, and note the time."""
        with explain_os_errors(Path(self._file.name)):
            self._file.flush()
        self._times.note(self._file.tell())

    def sync(self) -> int:
        """Flush to the disk; return the length of the file in bytes."""
        self.flush()
        with explain_os_errors(Path(self._file.name)):
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()
        self._times.close()


def is_whole(path: Path, n_bytes: int) -> bool:
    """Whether the first bytes of a curve, which a checkpoint counts on, are there and undamaged."""
    content = path.read_bytes()[:n_bytes] if n_bytes and path.exists() else b""
    return len(content) == n_bytes and content[-1:] in (b"", b"\n") and rows_until_damage(content)[1] is None


def last_tenth_loss(path: Path, n_steps: int) -> float | None:
    """Mean training loss over the last tenth of a run's steps, read back from its curve."""
    first = n_steps - max(1, n_steps // 10)
    losses = [row["loss"] for row in read_jsonl(path) if row["step"] > first and row.get("loss") is not None]
    return sum(losses) / len(losses) if losses else None


def measurements(path: Path) -> list[Measurement]:
    """Read the measurements of the gradient noise scale from a run's curve."""
    rows = [row for row in read_jsonl(path) if row.get("grad_sq") is not None and row["grad_trace"] is not None]
    return [Measurement(row["step"], row["grad_sq"], row["grad_trace"]) for row in rows]


def best_checkpoint(path: Path) -> BestCheckpoint | None:
    """Read the checkpoint of lowest validation loss from a run's curve; None if it holds none."""
    rows = [row for row in read_jsonl(path) if "best_losses" in row]
    if not rows:
        return None
    last = rows[-1]
    return best_checkpoint_of({"step": last["step"], "n_tokens": last["tokens"], "losses": last["best_losses"]})


def _lowest(path: Path) -> float:
    """Lowest validation loss in a curve."""
    return min((row["valid_loss"] for row in read_jsonl(path) if row.get("valid_loss") is not None), default=math.inf)


def _positions(valid: EvalLoss) -> str:
    """Losses by position as a further field, if they were measured."""
    if not valid.position_losses_nats:
        return ""
    return f', "valid_by_position": [{", ".join(map(_json, valid.position_losses_nats))}]'


def _json(value: float | None) -> str:
    """Write a number with 9 digits; null for NaN and infinity, which JSON lacks."""
    return "null" if value is None or not math.isfinite(value) else f"{value:.9g}"
