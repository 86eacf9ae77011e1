"""Text that every installation has: the source of Python's standard library, and docstrings of packages."""

import importlib.metadata
import inspect
import platform
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

PACKAGES = ("numpy", "scipy", "pandas")
"""Packages whose docstrings are read; all are dependencies."""
LEFT_OUT = ("test", "tests", "site-packages", "dist-packages", "encodings", "pydoc_data")
"""Folders of the standard library that are no source code of it, or tables."""

_DOCSTRING = re.compile(r"""^[ \t]*[rR]?("{3}|'{3})(.*?)\1""", re.DOTALL | re.MULTILINE)

Part = Literal["code", "docstrings"]


def signature(part: Part) -> list[str]:
    """Versions of what the text is made of."""
    if part == "code":
        return ["installed", part, sysconfig.get_path("stdlib"), platform.python_version()]
    return ["installed", part, *(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)]


def texts(part: Part) -> Iterator[tuple[str, bytes]]:
    """Name and text of every file in order of name; one without text is left out."""
    if part == "code":
        root = Path(sysconfig.get_path("stdlib"))
        yield from ((str(path.relative_to(root)), path.read_bytes()) for path in _modules(root))
        return
    for name in PACKAGES:
        root = Path(str(importlib.metadata.distribution(name).locate_file(name)))
        for path in _modules(root):
            yield f"{name}/{path.relative_to(root)}", _docstrings(path).encode()


def _modules(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if not set(path.relative_to(root).parts) & set(LEFT_OUT))


def _docstrings(path: Path) -> str:
    """Strings in three quotes that begin a line, an empty line between them: a parser would take a minute."""
    return "\n\n".join(inspect.cleandoc(text) for _, text in _DOCSTRING.findall(path.read_text("utf-8")))
