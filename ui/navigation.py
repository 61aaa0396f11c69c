"""The pages and the groups in which the navigation shows them.

To add a page, add a file to ``pages/`` and an entry to ``PAGES``.
"""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

__all__ = ["ICON", "PAGES", "ROOT", "get_page", "group_pages"]

ROOT = Path(__file__).resolve().parent.parent

ICON = str(ROOT / "ui" / "icon.png")
"""The app's icon, a local file: an emoji or icon name would be fetched from another server."""

# Group → (file in pages/, title, icon). The first page is the one at the root.
PAGES = {
    "Use": [
        ("identify", "Identify", ":material/photo_camera:"),
        ("batch", "Batch", ":material/photo_library:"),
        ("about", "About", ":material/info:"),
    ],
    "Make": [
        ("models", "Models", ":material/deployed_code:"),
        ("compare", "Compare", ":material/compare_arrows:"),
        ("deploy", "Deploy", ":material/rocket_launch:"),
    ],
}


def group_pages() -> dict[str, list[StreamlitPage]]:
    """Return all pages by group, as ``st.navigation`` takes them."""
    return {group: [_page(*entry) for entry in entries] for group, entries in PAGES.items()}


def get_page(name: str) -> StreamlitPage:
    """Return a page to link to; a path would depend on where the main script is."""
    entries = [entry for group in PAGES.values() for entry in group]
    return _page(*next(entry for entry in entries if entry[0] == name))


def _page(name: str, title: str, icon: str) -> StreamlitPage:
    return st.Page(ROOT / f"pages/{name}.py", title=title, icon=icon, default=name == "identify")
