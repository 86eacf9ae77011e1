"""What is reported beside a fit, as plain data: its held-out forecast, the three approaches, and the laws ranked."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.frontier.approaches import three_approaches
from analysis.frontier.verdict import verdict
from analysis.laws.law import Law
from analysis.runs.replicates import design_cells
from analysis.runs.selection import Runs
from analysis.to_json import to_json
from analysis.validation.holdout import hold_out_budgets
from analysis.validation.law_ranking import rank_laws
from scaling_harness.errors import HarnessError


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


def check_approaches(runs: Runs) -> dict[str, Any]:
    """Set Chinchilla's three approaches side by side.

    Parameters
    ----------
    runs : Runs
        Of one count of N.

    Returns
    -------
    dict
        Their `table`, what each of them left out (`excluded`: approach, what, reason), what is weak in them
        (`warnings`), and the verdict.
    """
    approaches = three_approaches(runs)
    said, each = verdict(approaches), approaches.approaches.items()
    excluded = [{"approach": name, **row} for name, approach in each for row in approach.excluded]
    warnings = [{"approach": name, "warning": warning} for name, approach in each for warning in approach.warnings]
    return {"table": to_json(said.table), "excluded": to_json(excluded), "warnings": warnings, **to_json(said)}


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
