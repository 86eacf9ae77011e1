"""Train one run, also as a Hydra application: `python -m scaling_harness.train model.d_model=64`, with -m several."""

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scaling_harness.config.compose import CONF_DIR, hydra_overrides, plain, run_config, sentence_of
from scaling_harness.config.schema import RunConfig, RuntimeConfig
from scaling_harness.errors import HarnessError, UserError

if TYPE_CHECKING:
    from scaling_harness.plan.plan import Job, Plan
    from scaling_harness.record.record import RunRecord
    from scaling_harness.record.store import Store
    from scaling_harness.training.oversight import Oversight


_IN_THIS_PROCESS = {"kind": "local", "gpus_per_run": 1}
"""The launcher of conf/launcher that `train` may be given, as it changes nothing."""


def config_of_one_run(document: Mapping[str, Any]) -> RunConfig:
    """Check a composed document that is to describe one run; see `compose.validate`."""
    if (sweep := document.get("sweep")) is not None:
        name = sweep.get("name", "NAME") if isinstance(sweep, Mapping) else "NAME"
        raise UserError(
            f"sweep={name} describes many runs, and this trains one: start them with `scaling-harness sweep run {name}`"
        )
    if given := _launcher_given(document.get("launcher")):
        raise UserError(
            f"{given} is for the workers of a sweep, and this trains one run in its own process: leave it out, or "
            f"start a sweep with `scaling-harness sweep run NAME {given}`"
        )
    return run_config(document)


def _launcher_given(launcher: Any) -> str | None:
    """What a launcher was set to, as an override; None if it was left as it is."""
    if not isinstance(launcher, Mapping):
        return None
    if (kind := launcher.get("kind")) != "local":
        return f"launcher={kind}"
    return next(
        (f"launcher.{key}={value}" for key, value in launcher.items() if _IN_THIS_PROCESS.get(key) != value), None
    )


def train_one(config: RunConfig, retry: bool = False) -> int:
    """Train one run; return 0 if it completed, 1 if it diverged or failed: see `train_run`."""
    record = train_run(config, retry)
    return 0 if record is None or record.status == "completed" else 1


def train_run(config: RunConfig, retry: bool = False) -> "RunRecord | None":
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
    RunRecord or None
        None on a process of torchrun other than the first.
    """
    from scaling_harness.data.prepare import prepare
    from scaling_harness.execution.execute import execute_alone
    from scaling_harness.plan.plan import Job, resolve
    from scaling_harness.record.store import Store
    from scaling_harness.wandb_mirror.finished import mirror
    from scaling_harness.wandb_mirror.follow import following

    info = prepare(config.data, config.evaluation.extra_sets, Path(config.runtime.data_dir))
    plan = resolve(config, info)
    store = Store(Path(config.runtime.runs_dir))
    if int(os.environ.get("RANK", "0")):
        if not store.is_finished(plan.run_id):
            _train_as_follower(Job((plan,)), config, store)
        return None
    _free_if_failed(plan, config.runtime, store, retry)
    with following([plan], store, config.wandb):
        execute_alone(Job((plan,)), config.runtime, store, train_with_progress_bar)
    if not config.wandb.live:
        mirror([plan.run_id], store, config.wandb)
    record = store.read(plan.run_id)
    print(f"{plan.run_id}  {_result(record)}  {store.record_path(plan.run_id)}")
    if record.status == "failed":
        print("to try it again, add --retry to `scaling-harness train`", file=sys.stderr)
    return record


def _result(record: "RunRecord") -> str:
    if record.reason or record.loss is None:
        return f"{record.status}: {record.reason}"
    bits = record.bits_per_byte.get("test", record.bits_per_byte.get("valid"))
    return f"{record.loss.loss_nats:.4f} nats/token" + ("" if bits is None else f", {bits:.4f} bits/byte")


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


def _train_as_follower(job: "Job", config: RunConfig, store: "Store") -> None:
    from scaling_harness.training.trainer import train

    train(job, config.runtime, store, _NoOversight())


@hydra.main(config_path=str(CONF_DIR), config_name="train", version_base="1.3")
def main(composed: DictConfig) -> float | None:
    """Train the composed run.

    Parameters
    ----------
    composed : DictConfig
        The configuration of one run.

    Returns
    -------
    float or None
        Final validation loss in nats per token, infinity if the run diverged, for Hydra's sweepers; None on a process
        of torchrun other than the first.

    Raises
    ------
    HarnessError
        The run cannot start or failed. With `--multirun` alone: the other runs go on; a single one prints it and exits.
    """
    single = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN
    document = plain(OmegaConf.to_container(composed, resolve=True, throw_on_missing=True))
    try:
        record = train_run(config_of_one_run(document))
    except HarnessError as error:
        if not single:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if record is None:
        return None
    if single and record.status != "completed":
        sys.exit(1)
    if record.status == "failed":
        raise HarnessError(f"{record.run_id} {record.reason}")
    return record.losses["valid"].loss_nats if record.status == "completed" else math.inf


def application() -> int:
    """Run `main` under Hydra with the command line of this process; an error is a sentence.

    Returns
    -------
    int
        0 success; 1 a run did not complete; 2 bad arguments, configuration or data; 130 interrupted.
    """
    sys.argv[1:] = hydra_overrides(sys.argv[1:])
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then passes errors on instead of printing a traceback
    try:
        main()
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {sentence_of(error)}", file=sys.stderr)
        return UserError.exit_code
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    # Imported by its name: launchers pickle `main`, and other processes have another __main__.
    from scaling_harness import train

    sys.exit(train.application())
