"""Interface between a trainer and the process that started it."""

from typing import Protocol

from scaling_harness.errors import HarnessError


class Interrupted(Exception):
    """Raised by `Oversight.tick`: save a checkpoint, then raise it again."""


class ClaimLost(HarnessError):
    """A newer attempt at a run exists, so this one must not write any more."""


class Oversight(Protocol):
    """Called by the trainer after every step and before every write."""

    def tick(self, step: int) -> None:
        """Call after every step. Raises `Interrupted` if the training is to save and stop."""
        ...

    def confirm(self) -> None:
        """Call before writing a checkpoint or a record. Raises `ClaimLost` if it must not be written."""
        ...
