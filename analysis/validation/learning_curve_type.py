"""Which of Amari's four types of learning curves runs are nearest to, and whether they are of that type at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.fitting.estimate import Estimate
from analysis.fitting.fit import fit
from analysis.fitting.result import FitResult
from analysis.laws.amari import TYPES, CurveType, amari
from analysis.laws.constrained import hold
from analysis.laws.law import Law
from analysis.to_json import document

VISIBLE = 1e-3  # of the lowest loss: a floor below that is none
FIT_SETTINGS = ("loss", "delta", "weights", "clusters", "resample", "resamples", "seed")


@dataclass(frozen=True)
class CurveFinding:
    """The nearest type, and what it rests on.

    Attributes
    ----------
    nearest : CurveType
        Of those with, or without, a floor as the runs have: the one of nearest exponent in logarithms.
    exponent : Estimate
        p of the fit with E free if the runs show one, else with E = 0.
    floor : Estimate or None
        E, if the runs show one: its profile and its interval exclude less than a thousandth of the lowest loss.
    without_floor : Estimate
        p of the fit with E = 0.
    residual_rms : mapping of int to float
        Of each type's own curve, its exponent held.
    """

    nearest: CurveType
    exponent: Estimate
    floor: Estimate | None
    without_floor: Estimate
    residual_rms: Mapping[int, float]

    @property
    def of_type(self) -> bool | None:
        """Whether the interval of the exponent holds the type's, and the floor is the type's; None without interval."""
        if self.exponent.ci95 is None:
            return None
        low, high = self.exponent.ci95
        return low <= self.nearest.exponent <= high and self.nearest.floor == (self.floor is not None)

    def sentence(self) -> str:
        """The finding in words."""
        kind = self.nearest
        said = {
            True: "the interval holds its exponent",
            False: "but the runs are not of it: the interval excludes its exponent",
            None: "without an interval nobody can tell whether they are of it",
        }[self.of_type]
        if self.of_type is False and self.exponent.ci95 and self.exponent.ci95[0] <= kind.exponent:
            above = kind.exponent > self.exponent.ci95[1]
            said = said if above else "but the runs have a floor E, which that type has not"
        floor = f"E = {self.floor:.4g}" if self.floor else "no E that the runs show"
        return (
            f"p = {self.exponent:.4g}, {floor}: nearest to type {kind.number}, {kind.formula} ({kind.machine}); {said}"
        )


@document.register
def _(finding: CurveFinding) -> dict[str, Any]:
    names = ("exponent", "floor", "without_floor", "of_type")
    nearest = {"number": finding.nearest.number, "formula": finding.nearest.formula, "machine": finding.nearest.machine}
    by_type = {str(number): value for number, value in finding.residual_rms.items()}
    found = {"nearest": nearest, **{name: getattr(finding, name) for name in names}, "residual_rms": by_type}
    return {**found, "sentence": finding.sentence()}


def learning_curve_type(free: FitResult, runs: Any) -> CurveFinding:
    """Name the type nearest to runs.

    Parameters
    ----------
    free : FitResult
        Fit of the law `amari` with E free.
    runs : Runs or DataFrame
        What was fitted.

    Returns
    -------
    CurveFinding
    """
    settings = {name: free.settings[name] for name in FIT_SETTINGS if name in free.settings}
    without = fit(hold(amari, {"E": 0.0}), runs, **settings)
    floor = free.params["E"].ci95  # none if the profile of E does not bound it
    lowest = float(free.predict(D=free.input_ranges["D"][1]))
    shown = floor is not None and floor[0] > VISIBLE * lowest
    exponent = (free if shown else without).params["p"]
    rms = {kind.number: fit(_of_type(kind), runs, **{**settings, "resample": "none"}).residual_rms for kind in TYPES}
    return CurveFinding(
        _nearest(exponent.value, shown), exponent, free.params["E"] if shown else None, without.params["p"], rms
    )


def _nearest(exponent: float, floor: bool) -> CurveType:
    """The type of nearest exponent in logs; of the two with p = 1 the one with, or without, a floor."""
    return min(TYPES, key=lambda kind: (abs(np.log(exponent / kind.exponent)), kind.floor != floor))


def _of_type(kind: CurveType) -> Law:
    return hold(amari, {"p": kind.exponent} if kind.floor else {"p": kind.exponent, "E": 0.0})
