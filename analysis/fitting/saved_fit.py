"""What a saved fit notes of the runs it rests on, and how it is read again."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.fitting.estimate import Estimate
from analysis.fitting.optimum import Certificate
from analysis.fitting.result import FILE_VERSION, NOT_CONVERGED, FitResult
from analysis.laws.constrained import constrained
from analysis.laws.cost_model import cost_from
from analysis.laws.law import Law
from analysis.laws.registry import LAWS
from analysis.runs.conventions import conventions_of, rows_id, tuning_of
from analysis.runs.selection import Runs
from scaling_harness.errors import UserError
from scaling_harness.record.atomic_files import parse_json

HEAD_BYTES = 200


def describe(result: FitResult, runs: Runs, source: Mapping[str, Any]) -> FitResult:
    """The result with its conventions, the hash of its rows and where they are, for `compare`.

    Parameters
    ----------
    result : FitResult
        A fit of ``runs``.
    runs : Runs
        What was fitted.
    source : mapping
        Arguments of `load_runs` that give the runs again.
    """
    compute = result.cost.convention if {"N", "D", "C"} <= set(runs.frame) else None
    more = {"conventions": {**conventions_of(runs), "compute": compute}, "rows": rows_id(runs), "source": dict(source)}
    if runs.columns is not None:
        more["taken"] = dict(runs.columns)
    more["tuning"] = tuning_of(Path(source["path"])) if "path" in source else None
    return dataclasses.replace(result, settings={**result.settings, **more})


def load_fit(path: Path | str, law: Law | None = None) -> FitResult:
    """Read a saved result.

    Parameters
    ----------
    path : Path or str
        From `FitResult.save`.
    law : Law, optional
        What was fitted, for a law of your own; those of ``registry.LAWS`` are found by their name.

    Returns
    -------
    FitResult

    Raises
    ------
    UserError
        The file is missing, not JSON, not a fit of this version, or of another law.
    """
    try:
        document = parse_json(Path(path).read_bytes())
        if document["file_version"] != FILE_VERSION:
            raise UserError(f"{path} has fit version {document['file_version']}, not {FILE_VERSION}: fit again")
        settings = document["settings"]
        known = _law_of(document["law"], law, path)
        as_fitted = constrained(known, settings.get("fixed") or {}, settings.get("tied") or ())
        return _from_document(document, known if law else as_fitted)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a saved fit: write one with `fit --out`") from error


def is_saved_fit(path: Path) -> bool:
    """Whether a file begins as a saved fit does.

    Parameters
    ----------
    path : Path
        Of any file.

    Returns
    -------
    bool
    """
    with path.open("rb") as stream:
        return b'"file_version"' in stream.read(HEAD_BYTES)


def _law_of(name: str, given: Law | None, path: Path | str) -> Law:
    """The law of a saved fit."""
    law = given or LAWS.get(name)
    if law is None or law.name != name:
        raise UserError(f"{path} is a fit of the law {name!r}, which is not known here: load_fit(path, law=...)")
    return law


def _from_document(document: dict[str, Any], law: Law) -> FitResult:
    plain = ("status", "n_runs", "settings", "holdout")
    return FitResult(
        law=law,
        params=_estimates(document["params"]),
        derived=_estimates(document["derived"]),
        draws={name: np.array(values, float) for name, values in document["draws"].items()},
        objective=_number(document["objective"]),
        residual_rms=_number(document["residual_rms"]),
        certificate=Certificate(
            **document["starts"],
            converged=document["status"] != NOT_CONVERGED,
            bounds_hit=tuple(document["bounds_hit"]),
            gradient_norm=_number(document["gradient_norm"]),
            condition=_number(document["condition"]),
            distance_moved=_number(document["distance_moved"]),
        ),
        input_ranges={name: tuple(span) for name, span in document["input_ranges"].items()},
        dropped=tuple(document["dropped"]),
        checks=document.get("checks", {}),
        cost=cost_from(document.get("cost")),
        warnings=tuple(document["warnings"]),
        **{name: document[name] for name in plain},
    )


def _number(value: float | None) -> float:
    """A number of the document, NaN if it has none."""
    return float("nan") if value is None else value


def _estimates(document: Mapping[str, Any]) -> dict[str, Estimate]:
    return {
        name: Estimate(
            _number(row["value"]),
            row["stderr"],
            None if row["ci95"] is None else tuple(row["ci95"]),
        )
        for name, row in document.items()
    }
