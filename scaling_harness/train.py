"""Train one run, also as a Hydra application: `python -m scaling_harness.train model.d_model=64`."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from omegaconf import DictConfig, OmegaConf

from scaling_harness.config.compose import CONF_DIR, hydra_overrides, plain, run_config
from scaling_harness.config.schema import RunConfig, RuntimeConfig
from scaling_harness.errors import HarnessError, UserError

if TYPE_CHECKING:
    from scaling_harness.plan.plan import Job, Plan
    from scaling_harness.record.record import RunRecord
    from scaling_harness.record.store import Store
    from scaling_harness.training.oversight import Oversight


def config_of_one_run(document: Mapping[str, Any]) -> RunConfig:
    """Check a composed document that is to describe one run; see `compose.validate`."""
    if (sweep := document.get("sweep")) is not None:
        name = sweep.get("name", "NAME") if isinstance(sweep, Mapping) else "NAME"
        raise UserError(
            f"sweep={name} describes many runs, and this trains one: start them with `scaling-harness sweep run {name}`"
        )
    return run_config(document)


def train_one(config: RunConfig, retry: bool = False) -> int:
    """Train one run unless it is finished already, and print its result.

    Parameters
    ----------
    config : RunConfig
        Configuration of the run.
    retry : bool
        Whether to try a run again that failed for good; one whose runtime, code or versions have changed since is
        tried in any case.

    Returns
    -------
    int
        0 if the run completed, 1 if it diverged or failed.
    """
    from scaling_harness.data.token_cache import prepare
    from scaling_harness.execution.execute import execute_alone
    from scaling_harness.plan.plan import Job, resolve
    from scaling_harness.record.store import Store
    from scaling_harness.wandb_mirror.finished import mirror
    from scaling_harness.wandb_mirror.follow import following

    info = prepare(config.data, config.evaluation.extra_sets, Path(config.runtime.data_dir))
    plan = resolve(config, info)
    store = Store(Path(config.runtime.runs_dir))
    if int(os.environ.get("RANK", "0")):
        return 0 if store.is_finished(plan.run_id) else _train_as_follower(Job((plan,)), config, store)
    _free_if_failed(plan, config.runtime, store, retry)
    with following([plan], store, config.wandb):
        execute_alone(Job((plan,)), config.runtime, store, train_with_progress_bar)
    if not config.wandb.live:
        mirror([plan.run_id], store, config.wandb)
    record = store.read(plan.run_id)
    loss = record.losses.get("valid")
    result = (
        f"{record.status}: {record.reason}" if record.reason or loss is None else f"{loss.loss_nats:.4f} nats/token"
    )
    print(f"{plan.run_id}  {result}  {store.record_path(plan.run_id)}")
    if record.status == "failed":
        print("to try it again, add --retry to `scaling-harness train`", file=sys.stderr)
    return 0 if record.status == "completed" else 1


def _free_if_failed(plan: "Plan", runtime: RuntimeConfig, store: "Store", retry: bool) -> None:
    from scaling_harness.execution.failed_runs import changes_since, set_aside

    if not store.is_finished(plan.run_id) or (record := store.read(plan.run_id)).status != "failed":
        return
    change = next(changes_since(record, plan, runtime), None)
    if retry or change:
        set_aside(plan.run_id, store)
        why = "as --retry asks" if retry else f"because {change}"
        print(f"trying {plan.run_id} again {why}; it had {record.reason}", file=sys.stderr)


class _NoOversight:
    """Oversight that does nothing, for torchrun's other processes: the first one holds the claim and writes."""

    def tick(self, step: int) -> None:
        pass

    def confirm(self) -> None:
        pass


class _BarOversight:
    """Oversight that also shows the steps done in a progress bar."""

    def __init__(self, inner: "Oversight", show: Callable[[int], None]) -> None:
        self._inner, self._show = inner, show

    def tick(self, step: int) -> None:
        self._show(step)
        self._inner.tick(step)

    def confirm(self) -> None:
        self._inner.confirm()


def train_with_progress_bar(
    job: "Job", runtime: RuntimeConfig, store: "Store", oversight: "Oversight"
) -> "list[RunRecord]":
    """Train a job and show a progress bar if stderr is a terminal; see `trainer.train`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from scaling_harness.training.trainer import train

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(job.job_id, total=job.runs[0].n_steps)
        return train(job, runtime, store, _BarOversight(oversight, lambda step: progress.update(task, completed=step)))


def _train_as_follower(job: "Job", config: RunConfig, store: "Store") -> int:
    from scaling_harness.training.trainer import train

    train(job, config.runtime, store, _NoOversight())
    return 0


@hydra.main(config_path=str(CONF_DIR), config_name="train", version_base="1.3")
def main(composed: DictConfig) -> None:
    """Train the composed run; if it cannot start or does not complete, print a sentence and exit."""
    try:
        config = config_of_one_run(plain(OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)))
        code = train_one(config)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    if code:
        sys.exit(code)


if __name__ == "__main__":
    sys.argv[1:] = hydra_overrides(sys.argv[1:])
    main()
