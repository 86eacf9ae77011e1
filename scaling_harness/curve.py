"""`metrics.jsonl`: a run's curve, appended in order, cut back when a run goes on from a checkpoint. No torch."""

import os
from pathlib import Path

from scaling_harness.files import explain_os_errors, read_jsonl
from scaling_harness.record import EvalLoss


class Curve:
    """The open curve of one run.

    Parameters
    ----------
    path : Path
        Of `Store.metrics_path`.
    n_bytes : int
        Length at which to go on: 0 starts anew.
    """

    def __init__(self, path: Path, n_bytes: int) -> None:
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
            self._file.truncate(n_bytes)

    def step(self, step: int, tokens: int, flops: float, loss: float, lr: float, grad_norm: float) -> None:
        """Add what one step did; 9 digits keep a 32-bit float whole."""
        self._write(
            f'{{"step": {step}, "tokens": {tokens}, "flops": {flops:.9g}, "loss": {_json(loss)}, '
            f'"lr": {lr:.9g}, "grad_norm": {_json(grad_norm)}}}\n'
        )

    def evaluation(self, step: int, tokens: int, flops: float, valid: EvalLoss) -> None:
        """Add a validation loss."""
        self._write(
            f'{{"step": {step}, "tokens": {tokens}, "flops": {flops:.9g}, "valid_loss": {_json(valid.loss_nats)}, '
            f'"valid_stderr": {_json(valid.stderr_nats)}}}\n'
        )

    def _write(self, line: str) -> None:
        with explain_os_errors(Path(self._file.name)):
            self._file.write(line.encode())

    def flush(self) -> None:
        """Let readers see what was added."""
        with explain_os_errors(Path(self._file.name)):
            self._file.flush()

    def sync(self) -> int:
        """Bring it to the disk; return its length."""
        self.flush()
        with explain_os_errors(Path(self._file.name)):
            os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


def last_tenth_loss(path: Path, n_steps: int) -> float | None:
    """Mean training loss over the last tenth of a run's steps, read back from its curve."""
    first = n_steps - max(1, n_steps // 10)
    losses = [row["loss"] for row in read_jsonl(path) if row["step"] > first and row.get("loss") is not None]
    return sum(losses) / len(losses) if losses else None


def _json(value: float) -> str:
    """JSON has no NaN and no infinity."""
    return f"{value:.9g}" if abs(value) < float("inf") else "null"
