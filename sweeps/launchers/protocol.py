"""What a launcher does. The table of them is in `sweeps.launchers.table`."""

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
        Its class of `sweeps.config`, which also says how many runs it trains at once and on which devices.
    """

    waits: ClassVar[bool]
    """Whether `start` returns only when every run is trained."""

    def __init__(self, config: Any) -> None: ...

    def check(self, manifest: Manifest) -> None:
        """Check, before anything is written, what this launcher needs to train a sweep.

        Raises
        ------
        UserError
            It is not there.
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
        """Time the steps of the jobs in a folder (see `timing.probe.prepare`) where the sweep would be trained.

        Raises
        ------
        UserError, HarnessError
            The steps could not be taken.
        """
        ...

    @staticmethod
    def cancel(sweep_dir: Path, force: bool) -> bool:
        """Take back the workers of a sweep that wait for a machine, by force those that run too.

        Returns
        -------
        bool
            Whether any waited or ran, as far as the launcher knows of them.
        """
        ...
