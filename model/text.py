"""Text for people, in messages and on the command line."""

from collections.abc import Sequence

__all__ = ["MAX_LISTED", "list_some"]

MAX_LISTED = 8
"""Most names that a message lists, unless it says otherwise."""


def list_some(names: Sequence[str], limit: int = MAX_LISTED) -> str:
    """Join the first names with commas and count the others."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
