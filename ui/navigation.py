"""All pages, in the groups in which the navigation shows them.

To add a page: a file in ``pages/`` and an entry here.
"""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

__all__ = ["PAGES", "page", "pages"]

ROOT = Path(__file__).resolve().parent.parent

# group → (file in pages/, title, icon); the first page of all is the one at the root.
PAGES = {
    "Use": [
        ("identify", "Identify", ":material/photo_camera:"),
        ("batch", "Batch", ":material/photo_library:"),
        ("about", "About", ":material/info:"),
    ],
    "Make": [
        ("models", "Models", ":material/deployed_code:"),
        ("deploy", "Deploy", ":material/rocket_launch:"),
    ],
}


def pages() -> dict[str, list[StreamlitPage]]:
    """What ``st.navigation`` takes."""
    return {group: [_page(*entry) for entry in entries] for group, entries in PAGES.items()}


def page(name: str) -> StreamlitPage:
    """The page of that name, to link to; a path would depend on the main script's place."""
    entries = [entry for group in PAGES.values() for entry in group]
    return _page(*next(entry for entry in entries if entry[0] == name))


def _page(name: str, title: str, icon: str) -> StreamlitPage:
    return st.Page(ROOT / f"pages/{name}.py", title=title, icon=icon, default=name == "identify")
