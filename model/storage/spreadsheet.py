"""CSV files that spreadsheets open as text: the one guard against formulas in cells.

A label or file name that starts with ``=`` would run as a formula. defusedcsv escapes the cells of
a file; ``escape_formula`` covers what it misses (leading spaces, tabs, line breaks and full-width
signs, all on OWASP's list) and also serves tables on the screen, which browsers save as CSV.
"""

import io
import unicodedata
from collections.abc import Iterable

from defusedcsv import csv

FORMULA_SIGNS = ("=", "+", "-", "@", "|", "%", "\t", "\r", "\n")


def escape_formula(text: str) -> str:
    """Return text with an apostrophe in front if a spreadsheet could take it for a formula."""
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
