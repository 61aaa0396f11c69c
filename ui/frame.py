"""The frame around every page: title, navigation, which page came before."""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # Streamlit puts this script's folder on the path; imports start at the root.
    sys.path.insert(0, str(ROOT))

from model.resources import trim_memory  # noqa: E402 - the path comes first
from ui.brand import mark  # noqa: E402
from ui.navigation import pages  # noqa: E402
from ui.session import restore_query, save_query  # noqa: E402

# Before the navigation: it would take a page's icon for the tab, from another server.
st.set_page_config(page_title="Loupe", page_icon=mark())
page = st.navigation(pages(), position="top")
st.set_page_config(page_title=f"{page.title} · Loupe", page_icon=mark())
st.logo(mark(), size="large")
came_from = st.session_state.get("page", page.url_path)
st.session_state["page"] = page.url_path
if came_from != page.url_path:
    # The address is the former page's until this run ends: what is written into it now
    # would end up in that page's history.
    st.session_state["returned"] = True
    st.rerun()
if st.session_state.pop("returned", False):
    restore_query(page.url_path)
page.run()
save_query(page.url_path)
# Last, when the page is drawn: what a photo took leaves a few megabytes behind each time.
trim_memory()
