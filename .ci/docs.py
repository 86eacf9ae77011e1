"""Write the pages of modules, classes and functions from their docstrings: `python .ci/docs.py FOLDER [MODULE ...]`.

`make docs` does so for every module. pdoc reads the names of a module without asking for them, so those of the lazy
front doors are asked for first.
"""

import importlib
import pkgutil
import sys
import warnings
from pathlib import Path

from pdoc import pdoc, render

DOORS = ("scaling_harness", "analysis", "analysis.figures")
EVERYTHING = ("scaling_harness", "sweeps", "analysis")


def open_door(name: str) -> None:
    """Import every name of a front door, and list its modules beside them, which pdoc else leaves out."""
    door = importlib.import_module(name)
    vars(door).update({each: getattr(door, each) for each in door.__all__})
    modules = [module.name for module in pkgutil.iter_modules(door.__path__) if not module.name.startswith("_")]
    door.__all__ = list(dict.fromkeys([*door.__all__, *modules]))


def main(folder: str, *modules: str) -> None:
    """Write the pages of modules, by default of all, to a folder."""
    for name in DOORS:
        open_door(name)
    # Pydantic's own classes have annotations that only a type checker can read.
    warnings.filterwarnings("ignore", message=".*PydanticDataclass")
    render.configure(docformat="numpy")
    pdoc(*(modules or EVERYTHING), output_directory=Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
