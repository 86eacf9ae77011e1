"""What is reported beside a fit, as plain data: its held-out forecast, the three approaches, and the laws ranked."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.frontier.approaches import three_approaches
from analysis.frontier.verdict import verdict
from analysis.laws.law import Law, gives_exponents
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs
from analysis.to_json import to_json
from analysis.validation.holdout import hold_out_budgets
from analysis.validation.law_ranking import rank_laws
from scaling_harness.errors import HarnessError

ABOUT_B = "b is 1 - a by construction: by the formula of a law, and as D is C / 6 N in approaches 1 and 2"


def check_holdout(frame: pd.DataFrame, law: Law) -> dict[str, Any]:
    """Forecast the largest budgets from the others.

    Parameters
    ----------
    frame : DataFrame
        Runs.
    law : Law
        What forecasts.

    Returns
    -------
    dict
        The held-out forecast, or the `reason` why there is none.
    """
    if not {"N", "D", "C"} <= set(frame):
        return {"reason": "runs without N, D and C have no budgets to hold out"}
    try:
        return to_json(hold_out_budgets(design_cells(frame), law))
    except HarnessError as error:
        return {"reason": str(error)}


def check_approaches(runs: Runs, beside: Sequence[Law] = ()) -> dict[str, Any]:
    """Set Chinchilla's three approaches side by side, and other laws beside them under their own names.

    Parameters
    ----------
    runs : Runs
        Of one count of N.
    beside : sequence of Law
        Laws other than that of approach 3; those without one term in N and one in D give no exponents and are left out.

    Returns
    -------
    dict
        Their `table`, where its column b comes from if nothing was measured for it (`about_b`), what each of them left
        out (`excluded`: approach, what, reason), what is weak in them
        (`warnings`), and the verdict.
    """
    approaches = three_approaches(runs, beside=[law for law in beside if gives_exponents(law)])
    said, each = verdict(approaches), approaches.approaches.items()
    excluded = [{"approach": name, **row} for name, approach in each for row in approach.excluded]
    warnings = [{"approach": name, "warning": warning} for name, approach in each for warning in approach.warnings]
    about_b = ABOUT_B if approaches.parametric.cost.proportional else None
    return {
        "table": to_json(said.table),
        "about_b": about_b,
        "excluded": to_json(excluded),
        "warnings": warnings,
        **to_json(said),
    }


def check_ranking(runs: Runs, laws: Sequence[Law]) -> dict[str, Any] | None:
    """Rank laws by their forecasts of the next budget.

    Parameters
    ----------
    runs : Runs
        Of one count of N.
    laws : sequence of Law
        Fitted to them.

    Returns
    -------
    dict or None
        The ranking, or the `reason` why there is none; None if there is nothing to rank: one law, or no budgets.
    """
    if len(laws) < 2 or not {"N", "D", "C"} <= set(runs.frame):
        return None
    try:
        return to_json(rank_laws(design_cells(runs.frame), laws))
    except HarnessError as error:
        return {"reason": str(error)}
