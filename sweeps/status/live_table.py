"""A running sweep on the screen: one live table on a terminal, a line for each finished run elsewhere."""

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
from sweeps.planning.time_estimate import duration
from sweeps.status.run_status import FINISHED, RunStatus

_MAX_ROWS = 24


class Progress:
    """Shows what `status` finds; counts work in FLOPs, so that the time left does not depend on the order of runs."""

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        self._runs = {run.run_id: run for job in jobs for run in job.runs}
        self._flops = {run_id: run.spent(run.own_steps)[1] for run_id, run in self._runs.items()}
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._known: set[str] | None = None
        self._start = (0.0, 0.0)
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
        """Draw what there is now."""
        now = time.monotonic()
        finished = {row.run_id for row in rows if row.state in FINISHED}
        if self._known is None:
            self._known, self._start = finished, (now, self._flops_done(rows))
        news = [row for row in rows if row.run_id in finished - self._known]
        self._known |= finished
        for row in news:
            if self._live is None or row.state != "done":
                self.say(f"{len(self._known)}/{len(rows)} {_result(row)}")
        if self._live:
            self._live.update(Group(self._table(rows, now), self._summary(rows, now)), refresh=True)

    def seconds_left(self, rows: Sequence[RunStatus], now: float) -> float | None:
        """Estimate the time left from the FLOPs done since the start; None before anything is."""
        started, done_then = self._start
        done = self._flops_done(rows)
        if done <= done_then or now <= started:
            return None
        return (sum(self._flops.values()) - done) * (now - started) / (done - done_then)

    def _flops_done(self, rows: Sequence[RunStatus]) -> float:
        return sum(
            self._flops[row.run_id] * (1.0 if row.state in FINISHED else row.step / row.n_steps)
            for row in rows
            if row.step or row.state in FINISHED
        )

    def _table(self, rows: Sequence[RunStatus], now: float) -> Table:
        running = [row for row in rows if row.state == "running"]
        table = Table(box=None, header_style="bold")
        table.add_column("run", no_wrap=True)
        for name in ("step", "of", "loss (nats)", "tokens/s"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in running[:_MAX_ROWS]:
            rate = self._tokens_per_s(row, now)
            loss = "" if row.loss_nats is None else f"{row.loss_nats:.4f}"
            table.add_row(row.run_id, f"{row.step:,}", f"{row.n_steps:,}", loss, "" if rate is None else f"{rate:,.0f}")
        if len(running) > _MAX_ROWS:
            table.add_row(f"and {len(running) - _MAX_ROWS} more")
        return table

    def _tokens_per_s(self, row: RunStatus, now: float) -> float | None:
        since, step = self._first_seen.setdefault(row.run_id, (now, row.step))
        if row.step <= step or now <= since:
            return None
        return (row.step - step) * self._runs[row.run_id].batch_tokens / (now - since)

    def _summary(self, rows: Sequence[RunStatus], now: float) -> RenderableType:
        counts = Counter(row.state for row in rows)
        parts = [f"{counts[state]} {state}" for state in ("done", "running", "waiting")]
        parts += [f"{counts[state]} {state}" for state in ("diverged", "failed") if counts[state]]
        left = self.seconds_left(rows, now)
        return Text(", ".join(parts) + ("" if not left else f"; about {duration(left)} left"))


def _result(row: RunStatus) -> str:
    if row.state == "done" and row.loss_nats is not None:
        return f"{row.run_id}  {row.loss_nats:.4f} nats/token"
    return f"{row.run_id}  {row.state}" + (f": {row.reason}" if row.reason else "")
