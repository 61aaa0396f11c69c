"""CSV files that spreadsheets open as text: the one guard against formulas in cells.

A label or a file's name that starts with ``=`` would run as a formula. defusedcsv guards the cells
of a file; ``escape_formula`` adds what it leaves (spaces, tabs, line breaks and full-width signs
in front, as OWASP lists them) and serves tables on the screen, which browsers save as CSV.
"""

import io
import unicodedata
from collections.abc import Iterable

from defusedcsv import csv

__all__ = ["escape_formula", "write_csv"]

FORMULA_SIGNS = ("=", "+", "-", "@", "|", "%", "\t", "\r", "\n")


def escape_formula(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe goes in front."""
    # NFKC turns full-width and small signs into plain ones, as some spreadsheets do.
    first = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if first.startswith(FORMULA_SIGNS) else text


def write_csv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a CSV table with a header; texts are escaped, numbers are not."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(escape_formula(value) if isinstance(value, str) else value for value in row)
    return file.getvalue()
