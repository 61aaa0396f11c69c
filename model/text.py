"""Text for people, in messages and on the command line."""

from collections.abc import Sequence

from rich.filesize import decimal

__all__ = ["MAX_LISTED", "format_size", "list_some"]

MAX_LISTED = 8
"""Most names that a message lists, unless it says otherwise."""


def list_some(names: Sequence[str], limit: int = MAX_LISTED) -> str:
    """Join the first names with commas and count the others."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def format_size(count: int) -> str:
    """Return a number of bytes as ``999 bytes``, ``1.5 kB``, ``2.0 MB``."""
    return decimal(count)
