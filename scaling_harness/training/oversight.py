"""What a trainer tells, and asks of, whoever started it. No torch."""

from typing import Protocol

from scaling_harness.errors import HarnessError


class Interrupted(Exception):
    """Raised out of `Oversight.tick`: save a checkpoint, then let it pass."""


class ClaimLost(HarnessError):
    """A newer attempt at a run exists: whatever this one would write is no longer wanted."""


class Oversight(Protocol):
    """Told after every step, asked before anything is written."""

    def tick(self, step: int) -> None:
        """Call after every step. Raises `Interrupted` if the run is to be saved and left."""
        ...

    def confirm(self) -> None:
        """Call before a checkpoint or a record is written. Raises `ClaimLost` if it must not be."""
        ...
