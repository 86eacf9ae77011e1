"""Turn a composed configuration into the sweep that it describes."""

from collections.abc import Mapping
from typing import Any

from scaling_harness.config.compose import run_config
from sweeps.compose import launcher_config, sweep_config
from sweeps.planning.expand import expand
from sweeps.planning.manifest import Manifest


def plan_sweep(document: Mapping[str, Any]) -> Manifest:
    """Plan a sweep; nothing is written but the tokens of its data.

    Parameters
    ----------
    document : mapping
        A composed configuration with its `sweep` part.

    Returns
    -------
    Manifest

    Raises
    ------
    UserError
        See `expand`.
    """
    config, described = run_config(document), sweep_config(document)
    return Manifest(
        name=described.name,
        question=described.question,
        hold_out=described.hold_out,
        law=described.law,
        aims=described.aims,
        runtime=config.runtime,
        wandb=config.wandb,
        jobs=expand(document),
        launcher=launcher_config(document),
    )
