"""A side of a comparison that is a sweep, an archive or a table: its runs, fitted as approach 3 of a report is."""

from dataclasses import replace
from pathlib import Path

from analysis.fitting.fit import fit
from analysis.fitting.saved_fit import describe
from analysis.forecasting.source import Source, from_fit
from analysis.laws.law import Law
from analysis.runs.from_records import is_sweep
from analysis.runs.reload import reload_runs
from analysis.runs.replicates import design_cells


def source_of_runs(path: Path, name: str, law: Law, columns: str | None = None) -> Source:
    """Fit a law to the means over the seeds of runs, for `compare`: Chinchilla's has the numbers of the report.

    Parameters
    ----------
    path : Path
        A sweep, an archive or a table.
    name : str
        What it is called.
    law : Law
        The same for all sides, or the exponents are not comparable.
    columns : str, optional
        Of a table, see `load_runs`.

    Returns
    -------
    Source
    """
    place = {"path": str(path.resolve()), "columns": columns, "drop_worst": 0, "keep_repeats": bool(law.repeats)}
    runs = reload_runs(place, "with_head" if is_sweep(path) else None)
    means = replace(runs, frame=design_cells(runs.frame))
    return from_fit(describe(fit(law, means, weights="n_seeds", resample="noise"), runs, place), name)
