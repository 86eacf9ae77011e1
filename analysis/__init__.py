"""Records and tables of runs to scaling laws.

Everything a notebook needs is here by its name, and is imported when it is first asked for:
``from analysis import fit, load_runs``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.comparing.compare import compare
    from analysis.fitting.fit import fit
    from analysis.fitting.result import FitResult
    from analysis.fitting.saved_fit import load_fit
    from analysis.forecasting.forecast import forecast
    from analysis.forecasting.mixture_forecast import forecast_mixture
    from analysis.forecasting.source import open_source
    from analysis.frontier.approaches import three_approaches
    from analysis.laws.law import Law, Term
    from analysis.laws.published import PUBLISHED
    from analysis.laws.registry import LAWS
    from analysis.report.summary import analyse
    from analysis.report.write import write_report
    from analysis.runs.curves import load_curve
    from analysis.runs.load import load_runs
    from analysis.runs.selection import Runs, Selection

__all__ = [
    "LAWS",
    "PUBLISHED",
    "FitResult",
    "Law",
    "Runs",
    "Selection",
    "Term",
    "analyse",
    "compare",
    "fit",
    "forecast",
    "forecast_mixture",
    "load_curve",
    "load_fit",
    "load_runs",
    "open_source",
    "three_approaches",
    "write_report",
]

_MODULES = {
    "LAWS": "laws.registry",
    "PUBLISHED": "laws.published",
    "FitResult": "fitting.result",
    "Law": "laws.law",
    "Runs": "runs.selection",
    "Selection": "runs.selection",
    "Term": "laws.law",
    "analyse": "report.summary",
    "compare": "comparing.compare",
    "fit": "fitting.fit",
    "forecast": "forecasting.forecast",
    "forecast_mixture": "forecasting.mixture_forecast",
    "load_curve": "runs.curves",
    "load_fit": "fitting.saved_fit",
    "load_runs": "runs.load",
    "open_source": "forecasting.source",
    "three_approaches": "frontier.approaches",
    "write_report": "report.write",
}


def __getattr__(name: str) -> Any:
    """Import a name of the front door."""
    if name not in _MODULES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f"analysis.{_MODULES[name]}"), name)
