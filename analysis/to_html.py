"""Results as HTML, which a notebook shows in place of their text."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

MOST_SENTENCES = 10


def page(title: str, *parts: str) -> str:
    """Put a title, in bold, above tables and sentences."""
    return f"<p><b>{escape(title)}</b></p>{''.join(parts)}"


def html_table(rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> str:
    """Lay rows out as a table with numbers of five digits; nothing without rows."""
    frame = pd.DataFrame(rows)
    return "" if frame.empty else frame.to_html(index=False, border=0, na_rep="", float_format="{:.5g}".format)


def estimate_rows(estimates: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lay estimates out as rows: name, value, standard error and interval, empty where there is none."""
    rows = []
    for name, estimate in estimates.items():
        low, high = estimate.ci95 or (None, None)
        rows.append({"": name, "value": estimate.value, "std. error": estimate.stderr, "2.5 %": low, "97.5 %": high})
    return [{key: float("nan") if value is None else value for key, value in row.items()} for row in rows]


def sentences(lines: Iterable[str], before: str = "") -> str:
    """List sentences, each with the same words before it; of many the first ones and their number."""
    lines = list(lines)
    more = [f"and {len(lines) - MOST_SENTENCES} more"] if len(lines) > MOST_SENTENCES else []
    items = [f"<li>{escape(before + line)}</li>" for line in lines[:MOST_SENTENCES]] + [f"<li>{m}</li>" for m in more]
    return f"<ul>{''.join(items)}</ul>" if items else ""
