"""Tune a sweep on this machine; its trials form a sweep of their own, which grows round by round."""

import dataclasses
from collections.abc import Sequence

from scaling_harness.errors import UserError
from scaling_harness.plan.plan import Plan
from scaling_harness.record.store import Store
from sweeps.launchers.launch import launch
from sweeps.launchers.table import launcher_of
from sweeps.planning.manifest import Manifest, merge_jobs
from sweeps.planning.stacking import group_into_jobs
from sweeps.tuning.tune import Tuned, fields_named, groups_of, tune


def tune_sweep(
    manifest: Manifest, names: Sequence[str], trials: int, stack: int, store: Store
) -> tuple[tuple[str, ...], tuple[Tuned, ...]]:
    """Search settings with the same effort for each size, horizon, architecture and data set of a sweep.

    Parameters
    ----------
    manifest : Manifest
        The sweep, with a launcher that waits until its runs are trained.
    names : sequence of str
        Fields or prefixes of them; see `fields_named`.
    trials : int
        Number of settings tried per group, at least 1.
    stack : int
        Largest number of runs in lockstep.
    store : Store
        Where the runs are stored.

    Returns
    -------
    tuple
        The fields, and the result for each group.

    Raises
    ------
    UserError
        The sweep cannot be tuned with these fields, trials or launcher.
    HarnessError
        See `tune`.
    KeyboardInterrupt
        Training was interrupted.
    """
    if trials < 1:
        raise UserError(f"--trials is {trials}: give 1 or more")
    if not launcher_of(manifest.launcher).waits:
        raise UserError("tune trains on this machine: set launcher=local")
    groups = groups_of(manifest.runs)
    fields = fields_named(names, groups)
    rounds = _Trials(dataclasses.replace(manifest, name=f"{manifest.name}-tune", jobs=()), stack, store)
    return fields, tune(groups, fields, trials, rounds.train, store)


class _Trials:
    """The trials as a sweep of their own."""

    def __init__(self, manifest: Manifest, stack: int, store: Store) -> None:
        self._manifest, self._stack, self._store = manifest, stack, store

    def train(self, plans: Sequence[Plan]) -> None:
        """Add runs to the sweep of trials and train them."""
        jobs = merge_jobs(self._manifest.jobs, group_into_jobs(plans, self._stack))
        self._manifest = dataclasses.replace(self._manifest, jobs=jobs)
        if launch(self._manifest, self._store):
            raise KeyboardInterrupt
