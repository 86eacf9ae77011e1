"""Figures of an analysis: each function takes an Axes of matplotlib and data, draws, and gives the Axes back.

Every figure of the report is made of these; ``with styled():`` around the making of the Axes gives the report's look.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.figures.compared import exponents, lowest_losses
    from analysis.figures.diagnostics import (
        forecast,
        forecast_errors,
        offset_profile,
        residual_histogram,
        residuals,
    )
    from analysis.figures.frontier import compute_optimal, isoflop_parabolas, loss_curves
    from analysis.figures.gradient_noise import noise_scale
    from analysis.figures.one_variable_laws import one_variable_law
    from analysis.figures.parametric_surface import isoflop_cuts, loss_surface
    from analysis.figures.style import Labels, styled

__all__ = [
    "Labels",
    "compute_optimal",
    "exponents",
    "forecast",
    "forecast_errors",
    "isoflop_cuts",
    "isoflop_parabolas",
    "loss_curves",
    "loss_surface",
    "lowest_losses",
    "noise_scale",
    "offset_profile",
    "one_variable_law",
    "residual_histogram",
    "residuals",
    "styled",
]

_MODULES = {
    "compared": ("exponents", "lowest_losses"),
    "diagnostics": ("forecast", "forecast_errors", "offset_profile", "residual_histogram", "residuals"),
    "frontier": ("compute_optimal", "isoflop_parabolas", "loss_curves"),
    "gradient_noise": ("noise_scale",),
    "one_variable_laws": ("one_variable_law",),
    "parametric_surface": ("isoflop_cuts", "loss_surface"),
    "style": ("Labels", "styled"),
}


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"analysis.figures.{module}"), name)
    raise AttributeError(f"module 'analysis.figures' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
