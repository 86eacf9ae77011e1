"""Test whether saved fits share their exponents, on the runs that they were made of."""

from collections.abc import Sequence

from analysis.comparing.common_exponents import CommonExponent, common_exponent
from analysis.forecasting.source import Source
from analysis.runs.conventions import rows_id
from analysis.runs.reload import reload_runs
from scaling_harness.errors import HarnessError, UserError


def common_of_fits(sources: Sequence[Source]) -> CommonExponent:
    """Load the runs of saved fits again and test common exponents on them.

    Parameters
    ----------
    sources : sequence of Source
        Saved fits of one law.

    Returns
    -------
    CommonExponent

    Raises
    ------
    UserError
        A source is published constants, or of another law than the first.
    HarnessError
        Runs changed since their fit was made; or see `common_exponent`.
    """
    law = sources[0].law
    if law is None or any(s.published or s.law is None or s.law.name != law.name for s in sources):
        raise UserError("--common needs fits of one law, made by `fit --out`: published constants have no runs here")
    groups = {}
    for source in sources:
        runs = reload_runs(source.settings["source"], source.conventions["count"])
        if rows_id(runs) != source.settings["rows"]:
            raise HarnessError(f"the runs of {source.name} have changed since it was made: fit them again")
        groups[source.name] = runs.frame
    return common_exponent(groups, law)
