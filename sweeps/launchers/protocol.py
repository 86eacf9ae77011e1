"""The protocol of a launcher. All launchers are listed in `sweeps.launchers.table`."""

from pathlib import Path
from typing import Any, ClassVar, Protocol

from scaling_harness.config.schema import RuntimeConfig
from scaling_harness.record.store import Store
from sweeps.planning.manifest import Manifest
from sweeps.timing.probe import Probe


class Launcher(Protocol):
    """Starts the workers of a sweep.

    Parameters
    ----------
    config : dataclass
        The launcher's class in `sweeps.config`, which also says how many runs it trains at once and on which devices.
    """

    waits: ClassVar[bool]
    """Whether `start` returns only when every run is trained."""

    def __init__(self, config: Any) -> None: ...

    def check(self, manifest: Manifest) -> None:
        """Check that this launcher has what it needs to train a sweep, before anything is written.

        Raises
        ------
        UserError
            Something is missing.
        """
        ...

    def start(self, manifest: Manifest, store: Store) -> bool:
        """Start workers for what is left of a sweep that is written to the store; False if the user interrupted it.

        Raises
        ------
        UserError, HarnessError
            Workers could not be started, or runs failed while it waited.
        """
        ...

    def probe(self, folder: Path, runtime: RuntimeConfig) -> Probe:
        """Time the steps of the jobs in a folder (see `probe.prepare_probe`) where the sweep would be trained.

        Raises
        ------
        UserError, HarnessError
            A training process could not be started, or failed.
        """
        ...

    @staticmethod
    def cancel(sweep_dir: Path, force: bool) -> bool:
        """Cancel the workers of a sweep that wait for a machine, and with `force` those that run as well.

        Returns
        -------
        bool
            Whether any worker that this launcher knows of was waiting or running.
        """
        ...
