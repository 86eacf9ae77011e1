"""Errors that a user may see. The command line prints the message, a sentence, and nothing else."""


class HarnessError(Exception):
    """A run or a fit failed."""

    exit_code = 1


class UserError(HarnessError):
    """The arguments, the configuration or the data cannot be used as they are."""

    exit_code = 2


class CannotTrainHereError(UserError):
    """No run can be trained by this process, such as without the device asked for: no attempt at one counts."""
