"""Train ladders of small decoder-only transformers, record the results, and fit scaling laws to them.

Everything a notebook needs is here by its name, and is imported when it is first asked for:
``import scaling_harness as sh``, then ``sh.load_runs``, ``sh.fit``, ``sh.forecast``, ``sh.compare`` and
``sh.figures``; `analysis` has more.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis import compare, figures, fit, forecast, load_runs

    __version__: str

__all__ = ["__version__", "compare", "figures", "fit", "forecast", "load_runs"]


def __getattr__(name: str) -> Any:
    """Import a name of `analysis`, or read the version of the installed package."""
    import importlib
    import importlib.metadata

    if name == "__version__":
        return importlib.metadata.version("scaling-harness")
    if name not in __all__:
        raise AttributeError(f"module 'scaling_harness' has no attribute {name!r}; it has {', '.join(__all__)}")
    _check_not_hidden()
    analysis, figures = (importlib.import_module(module) for module in ("analysis", "analysis.figures"))
    return figures if name == "figures" else getattr(analysis, name)


def __dir__() -> list[str]:
    return __all__


def _check_not_hidden() -> None:
    """Refuse another `analysis` that Python finds first; in a notebook the working directory comes before ours."""
    from importlib.util import find_spec
    from pathlib import Path

    from scaling_harness.errors import UserError

    ours, found = Path(__file__).resolve().parents[1] / "analysis" / "__init__.py", find_spec("analysis")
    if found is None or found.origin is None or Path(found.origin).resolve() != ours:
        where = found and (found.origin or ", ".join(found.submodule_search_locations or ()))
        raise UserError(
            f"Python finds {where or 'no module'} under the name analysis, in place of {ours}: rename it, or start "
            "Python from another folder"
        )
