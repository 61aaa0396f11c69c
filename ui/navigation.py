"""The pages, in the order in which the header shows them.

To add a page, add a file to ``pages/`` and an entry to ``PAGES``.
"""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

ROOT = Path(__file__).resolve().parent.parent

ICON = str(ROOT / "ui" / "icon.png")
"""The app's icon, a local file: an emoji or icon name would be fetched from another server."""

PAGES = {
    "identify": "Identify",
    "batch": "Batch",
    "compare": "Compare",
    "teach": "Teach",
    "models": "Models",
    "deploy": "Deploy",
    "about": "About",
}
"""Titles by the name of the file in ``pages/``; the first page is the one at the root."""


def get_page(name: str) -> StreamlitPage:
    """Return a page to link to; a path would depend on where the main script is."""
    path = ROOT / f"pages/{name}.py"
    return st.Page(path, title=PAGES[name], default=name == "identify")
