"""The exports of a model that the owner has made, as downloads on its card."""

import streamlit as st

from model import Bundle
from model.exporting.downloads import find_downloads
from model.exporting.formats import FORMATS
from model.settings import settings
from model.text import format_size
from ui import component

__all__ = ["show_downloads"]


def show_downloads(bundle: Bundle) -> None:
    """Show a link to each export of a model; nothing if downloads are off."""
    if not settings().downloads or not component.has_routes():
        return
    downloads = find_downloads(bundle)
    if not downloads:
        return
    st.markdown("**Take it with you**")
    with st.container(horizontal=True):
        for name, path in downloads.items():
            st.link_button(
                f"{FORMATS[name].title}, {format_size(path.stat().st_size)}",
                f"api/v1/models/{bundle.name}/{bundle.version}/{path.name}",
                icon=":material/download:",
            )
    st.caption("The model with its labels and a sample program, as a zip.")
