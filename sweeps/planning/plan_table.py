"""Describe what a sweep will train, one row per run, and what it will cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from scaling_harness.plan.memory import (
    PROCESS_BYTES,
    fitting_micro_batch,
    lacking_at_best_bytes,
    lacking_bytes,
    remedies,
    run_bytes,
)
from scaling_harness.plan.plan import Job, Plan
from scaling_harness.text_table import duration, print_columns
from sweeps.planning.disk import kept_bytes
from sweeps.planning.time_estimate import gpu_seconds, job_seconds


def plan_rows(
    jobs: Sequence[Job], states: Mapping[str, str], n_processes: int = 1, flops_per_s: float | None = None
) -> list[dict[str, Any]]:
    """Describe every planned run.

    Parameters
    ----------
    jobs : sequence of Job
        In the order they will start.
    states : mapping of str to str
        State of each run_id: done, running, waiting and so on.
    n_processes : int
        Number of processes that train a run together.
    flops_per_s : float, optional
        FLOPs a second of a GPU; without it times are those of one thread of a CPU in each process.

    Returns
    -------
    list of dict
        Keys name their units; the seconds of a run are its share of its job's, the memory is that of its whole job, at
        most, of each process; `lacking_bytes` and `lacking_at_best_bytes` see `memory`, and `remedies` for those that
        lack memory.
    """
    return [
        _row(job, run, n_processes)
        | {"estimated_s": _seconds(job, run, n_processes, flops_per_s), "state": states.get(run.run_id, "waiting")}
        for job in jobs
        for run in job.runs
    ]


def plan_totals(rows: Sequence[Mapping[str, Any]], workers: int) -> dict[str, Any]:
    """Sum the plan: runs, FLOPs of training (those of a trunk once), disk, and the seconds of the rest.

    `run_s_left` is their sum over the runs, `estimated_s_left` what `workers` take for them side by side.
    """
    left = [row for row in rows if row["state"] not in ("done", "diverged", "failed")]
    run_s_left = sum(row["estimated_s"] for row in left)
    return {
        "n_runs": len(rows),
        "n_left": len(left),
        "train_flops": sum(row["own_flops"] for row in rows),
        "train_flops_left": sum(row["own_flops"] for row in left),
        "workers": workers,
        "disk_bytes": sum(row["disk_bytes"] for row in rows),
        "run_s_left": run_s_left,
        "estimated_s_left": run_s_left / min(workers, max(1, len(left))),
    }


def print_plan(rows: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]) -> None:
    """Print the plan as a table with its cost below."""
    counts, cost = ("N non-emb", "N with head", "N total"), ("C = 6ND", "time", "memory")
    columns = ("run", *counts, "D", "steps", "batch", "LR", *cost, "state")
    print_columns(columns, [_cells(row) for row in rows], right=columns[1:-1])
    print(cost_sentence(totals))
    if most := totals.get("most_disk_bytes"):
        print(f"disk: at most {_size(most)} while it trains, {_size(totals['disk_bytes'])} when all runs are done")
    for sentence in _lacking_sentences(rows):
        print(sentence)


def _lacking_sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how many runs do not fit, with which settings they would, and how many never do."""
    lacking = [row for row in rows if row["lacking_bytes"]]
    if not lacking:
        return []
    n_never = sum(row["lacking_at_best_bytes"] is not None for row in lacking)
    said = [
        f"{len(lacking)} of them do not fit in the memory of a worker (runtime.memory_gb), even with one context at a "
        "time, or with the runtime.micro_batch given: the last column says what each needs, of every process"
    ]
    if settings := dict.fromkeys(setting for row in lacking for setting in row["remedies"]):
        said.append(f"less is needed with {', or with '.join(settings)}")
    if n_never:
        said.append(
            f"{n_never} of these fit with no settings and on no number of such devices, as every process holds all "
            'parameters and gradients: what they need "at best" is more memory each'
        )
    return said


def cost_sentence(totals: Mapping[str, Any]) -> str:
    """Write the sums of `plan_totals` as a sentence."""
    said = (
        f"{totals['n_runs']} runs, {totals['n_left']} left to train; {totals['train_flops']:.2e} FLOPs, "
        f"{totals['train_flops_left']:.2e} left: about "
    )
    if gpu := totals.get("gpu"):
        hours = f"{gpu['hours_left']:,.3g} GPU hours at {gpu['utilisation']:.0%} of the peak of {gpu['card']}"
        return f"{said}{hours}, with evaluations"
    minutes = f"{totals['estimated_s_left'] / 60:.1f} minutes with {totals['workers']} workers"
    return f"{said}{minutes} on a fast CPU; `scaling-harness sweep probe` times this one"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:,.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:,.2g} MB"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["run_id"],
        *(f"{row[f'n_params_{count}']:,}" for count in ("non_embedding", "with_head", "total")),
        f"{row['n_tokens']:,}",
        f"{row['n_steps']:,}",
        str(row["batch_tokens"]),
        f"{row['learning_rate']:.3g}",
        f"{row['train_flops']:.2e}",
        duration(row["estimated_s"]),
        f"{row['memory_bytes'] / 1e9:.2g} GB",
        _needs(row) or row["state"],
    )


def _needs(row: Mapping[str, Any]) -> str:
    """Memory of a run that does not fit: as it would be trained, or at best if that is too much as well."""
    if at_best := row["lacking_at_best_bytes"]:
        return f"needs {at_best / 1e9:,.0f} GB at best"
    return f"needs {row['lacking_bytes'] / 1e9:,.0f} GB" if row["lacking_bytes"] else ""


def _job_bytes(job: Job, n_processes: int) -> float:
    """Memory of a job; on a GPU of known memory with the micro-batch that will be chosen there."""
    runtime, seqs = job.runs[0].config.runtime, None
    if runtime.device.startswith("cuda") and runtime.micro_batch is None and runtime.memory_gb:
        seqs = fitting_micro_batch(job.runs, runtime, 1e9 * runtime.memory_gb, n_processes)
    return PROCESS_BYTES + sum(run_bytes(run, seqs, n_processes=n_processes) for run in job.runs)


def _seconds(job: Job, run: Plan, n_processes: int, flops_per_s: float | None) -> float:
    """Seconds of a run; on a CPU its share of its job's."""
    if flops_per_s:
        return gpu_seconds(run, flops_per_s, n_processes)
    return job_seconds(job, n_processes=n_processes) * run.own_steps / sum(other.own_steps for other in job.runs)


def _row(job: Job, run: Plan, n_processes: int) -> dict[str, Any]:
    model, lacking = run.config.model, lacking_bytes(run, n_processes)
    at_best = lacking_at_best_bytes(run) if lacking else None
    return {
        "run_id": run.run_id,
        "job_id": job.job_id,
        "n_layer": model.n_layer,
        "d_model": model.d_model,
        "seed": run.config.seed,
        **{f"n_params_{count}": n for count, n in run.n_params.items()},
        "n_tokens": run.n_tokens,
        "epochs": run.epochs,
        "n_steps": run.n_steps,
        "batch_tokens": run.batch_tokens,
        "learning_rate": run.learning_rate,
        "train_flops": run.train_flops["6nd_with_head"],
        "own_flops": run.spent(run.own_steps)[1],
        "trunk": run.trunk,
        "memory_bytes": _job_bytes(job, n_processes),
        "lacking_bytes": lacking,
        "lacking_at_best_bytes": at_best,
        "remedies": remedies(run, run.config.runtime, n_processes) if lacking and not at_best else [],
        "disk_bytes": kept_bytes(run),
    }
