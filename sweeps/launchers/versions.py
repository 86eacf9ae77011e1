"""One sweep, one version of the code: what is checked before more of a sweep is trained."""

import sys
from collections.abc import Sequence

from scaling_harness.errors import UserError
from scaling_harness.record.provenance import code_version, is_comparable_version
from sweeps.status.run_status import FINISHED, RunStatus


def check_version(name: str, planned: str | None, rows: Sequence[RunStatus], mix: bool) -> None:
    """Check that a sweep goes on with the code that began it.

    Parameters
    ----------
    name : str
        Of the sweep.
    planned : str or None
        The version in its manifest; None where it could not be told.
    rows : sequence of RunStatus
        How its runs stand: nothing is mixed where none has begun, or none is left.
    mix : bool
        Whether the user agrees to several versions; then it is only said.

    Raises
    ------
    UserError
        It does not, and the user did not agree.
    """
    here = code_version()
    if planned is None or planned == here or all(row.state in FINISHED for row in rows):
        return
    if is_comparable_version(planned):
        changed = f"the code changed since the sweep {name} was planned, from {planned[:20]} to {here}"
    else:
        changed = f"the sweep {name} was planned by an earlier version of this harness ({planned[:20]}), here is {here}"
    if any(row.n_attempts for row in rows) and not mix:
        raise UserError(
            f"{changed}, and some of its runs were trained with the old one: go back to it, "
            "start another sweep with sweep.name=NAME, or accept both with --mix-versions"
        )
    print(f"warning: {changed}", file=sys.stderr)
