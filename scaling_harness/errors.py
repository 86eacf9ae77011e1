"""The two failures a user may meet. The message is the sentence they read; the CLI prints nothing else."""


class HarnessError(Exception):
    """A run or a fit failed."""

    exit_code = 1


class UserError(HarnessError):
    """The arguments, the configuration or the data given cannot be used as they are."""

    exit_code = 2
