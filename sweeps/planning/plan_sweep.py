"""Turn a composed configuration into the sweep that it describes."""

from collections.abc import Mapping
from typing import Any

from scaling_harness.plan.memory import refuse_too_large, run_bytes
from sweeps.compose import launcher_config, sweep_config
from sweeps.config import LocalLauncherConfig
from sweeps.planning.expand import expand
from sweeps.planning.manifest import Manifest


def plan_sweep(document: Mapping[str, Any], *, with_text: bool = True, trained_here: bool = True) -> Manifest:
    """Plan a sweep; nothing is written but the tokens of its data.

    Parameters
    ----------
    document : mapping
        A composed configuration with its `sweep` part.
    with_text : bool
        See `expand`.
    trained_here : bool
        Whether this machine would train the runs of a local sweep; otherwise its memory refuses none.

    Returns
    -------
    Manifest

    Raises
    ------
    UserError
        See `expand`; or a run that a local sweep would train does not fit in this machine's memory.
    """
    described, launcher = sweep_config(document), launcher_config(document)
    jobs = expand(document, with_text=with_text)
    # Of a run, as the document alone need be none: its model may lack what the shapes of the grids give it.
    config = jobs[0].runs[0].config
    if trained_here and isinstance(launcher, LocalLauncherConfig):
        for job in jobs:
            refuse_too_large(max(job.runs, key=run_bytes))
    return Manifest(
        name=described.name,
        question=described.question,
        hold_out=described.hold_out,
        law=described.law,
        aims=described.aims,
        runtime=config.runtime,
        wandb=config.wandb,
        jobs=jobs,
        launcher=launcher,
    )
