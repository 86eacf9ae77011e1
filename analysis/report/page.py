"""A page in the common style: templates, and numbers that are looked up in the document that lies beside the page."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis.report.tables import number
from scaling_harness.record.atomic_files import write_text

MOST_CSV = 4_000_000
"""Characters of a table that a page carries in itself; the page of a hundred runs has a tenth of that."""


def render(template: str, document: Mapping[str, Any], **context: Any) -> str:
    """Fill a template.

    Parameters
    ----------
    template : str
        A file of `templates/`; it extends `base.html.j2`, whose blocks are ``answer`` and ``evidence``.
    document : mapping
        JSON that is written beside the page: the template's ``value("path.in.it", 3)`` shows a number of it, with
        three digits or by a format, and ``interval(...)`` a value with its interval, each in an element that says
        where the number stands.
    **context
        What else the template shows.

    Returns
    -------
    str
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=jinja2.select_autoescape(("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = {"value": _shower(document, _value), "interval": _shower(document, _interval)}
    return environment.get_template(template).render(context | shown)


def csv_link(text: str) -> str:
    """A table, from `csv_text`, as a link that a page carries in itself."""
    return "data:text/csv;base64," + base64.b64encode(text.encode()).decode()


def write_and_link(text: str, file: Path, folder: Path) -> str:
    """Write a table, and link it from a page of a folder: to itself, or to the file if it would make the page heavy."""
    write_text(file, text)
    return csv_link(text) if len(text) <= MOST_CSV else str(file.relative_to(folder))


def csv_text(frame: pd.DataFrame) -> str:
    """A table with six significant digits, written here because `to_csv` takes twice as long for them."""
    floats = frame.select_dtypes("float")
    texts = {name: ["" if x != x else f"{x:.6g}" for x in floats[name].tolist()] for name in floats}
    return frame.assign(**texts).to_csv(index=False)


def _shower(document: Mapping[str, Any], write: Callable[[Any, str | int], str]) -> Callable[[str, str | int], Markup]:
    """The number at a path, marked with the path and its exact value."""

    def shown(path: str, form: str | int) -> Markup:
        found: Any = document
        for name in path.split("."):
            found = found[name]
        exact = found["value"] if isinstance(found, Mapping) else found
        return Markup('<data data-path="{}" value="{}">{}</data>').format(path, exact, write(found, form))

    return shown


def _value(found: Any, form: str | int) -> str:
    return _written(found["value"] if isinstance(found, Mapping) else found, form)


def _interval(found: Mapping[str, Any], form: str | int) -> str:
    ends = [_written(end, form) for end in found["ci95"] or ()]
    return _value(found, form) + (f" [{ends[0]}, {ends[1]}]" if ends else "")


def _written(value: Any, form: str | int) -> str:
    """A number by a format as ".3f", or with so many significant digits."""
    if value is None:
        return "–"
    return format(value, form) if isinstance(form, str) else number(value, form)
