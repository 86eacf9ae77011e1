"""Show a running sweep: a live table on a terminal, a line for each finished run elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scaling_harness.plan.plan import Job
from scaling_harness.record.provenance import now
from scaling_harness.text_table import duration
from sweeps.status.run_status import FINISHED, RunStatus
from sweeps.status.time_left import seconds_left

_MAX_ROWS = 24


class LiveTable:
    """Show the status of a sweep's runs as it changes."""

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        self._runs = {run.run_id: run for job in jobs for run in job.runs}
        self._flops = {run_id: run.spent(run.own_steps)[1] for run_id, run in self._runs.items()}
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._known: set[str] | None = None
        self._first_seen: dict[str, tuple[float, int]] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence above the table."""
        self._console.print(sentence, highlight=False, soft_wrap=True)

    def show(self, rows: Sequence[RunStatus]) -> None:
        """Draw the current status."""
        clock = time.monotonic()
        finished = {row.run_id for row in rows if row.state in FINISHED}
        if self._known is None:
            self._known = finished
        news = [row for row in rows if row.run_id in finished - self._known]
        self._known |= finished
        for row in news:
            if self._live is None or row.state != "done":
                self.say(f"{len(self._known)}/{len(rows)} {_result(row)}")
        if self._live:
            self._live.update(Group(self._table(rows, clock), self._summary(rows)), refresh=True)

    def _table(self, rows: Sequence[RunStatus], clock: float) -> Table:
        running = [row for row in rows if row.state == "running"]
        table = Table(box=None, header_style="bold")
        table.add_column("run", no_wrap=True)
        for name in ("step", "of", "loss (nats)", "tokens/s"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in running[:_MAX_ROWS]:
            rate = self._tokens_per_s(row, clock)
            loss = "" if row.loss_nats is None else f"{row.loss_nats:.4f}"
            table.add_row(row.run_id, f"{row.step:,}", f"{row.n_steps:,}", loss, "" if rate is None else f"{rate:,.0f}")
        if len(running) > _MAX_ROWS:
            table.add_row(f"and {len(running) - _MAX_ROWS} more")
        return table

    def _tokens_per_s(self, row: RunStatus, clock: float) -> float | None:
        since, step = self._first_seen.setdefault(row.run_id, (clock, row.step))
        if row.step <= step or clock <= since:
            return None
        return (row.step - step) * self._runs[row.run_id].batch_tokens / (clock - since)

    def _summary(self, rows: Sequence[RunStatus]) -> RenderableType:
        counts = Counter(row.state for row in rows)
        parts = [f"{counts[state]} {state}" for state in ("done", "running", "waiting")]
        parts += [f"{counts[state]} {state}" for state in ("diverged", "failed") if counts[state]]
        left = seconds_left(rows, self._flops, now())
        return Text(", ".join(parts) + ("" if not left else f"; about {duration(left)} left"))


def _result(row: RunStatus) -> str:
    if row.state == "done" and row.loss_nats is not None:
        return f"{row.run_id}  {row.loss_nats:.4f} nats/token"
    return f"{row.run_id}  {row.state}" + (f": {row.reason}" if row.reason else "")
