"""The exports of a model that the owner has made, as downloads on its card."""

import sys

import streamlit as st

from model import Bundle
from model.exporting.downloads import find_downloads
from model.exporting.formats import FORMATS
from model.settings import settings

__all__ = ["show_downloads"]


def show_downloads(bundle: Bundle) -> None:
    """Show a link to each export of a model; nothing if downloads are off."""
    # Where Streamlit runs the script alone, the app has no routes.
    if not settings().downloads or "api.v1.models" not in sys.modules:
        return
    downloads = find_downloads(bundle)
    if not downloads:
        return
    st.markdown("**Take it with you**")
    with st.container(horizontal=True):
        for name, path in downloads.items():
            st.link_button(
                f"{FORMATS[name].title}, {path.stat().st_size / 1e6:,.0f} MB",
                f"api/v1/models/{bundle.name}/{bundle.version}/{path.name}",
                icon=":material/download:",
            )
    st.caption("The model with its labels and a sample program, as a zip.")
