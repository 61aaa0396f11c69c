"""The frame around every page: title, icon and navigation."""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # Streamlit puts this script's folder on the path; imports start at the root.
    sys.path.insert(0, str(ROOT))

from model.resources import trim_memory  # noqa: E402 - the path comes first
from ui.app_info import DARK, LIGHT, app_title, header_logo  # noqa: E402
from ui.component import has_routes  # noqa: E402
from ui.navigation import ICON, PAGES, get_page  # noqa: E402
from ui.session_state import chosen_bundle, remember_address  # noqa: E402
from ui.viewfinder import has_viewfinder  # noqa: E402

# The page's HTML has its own links, if it is the app's.
page = st.navigation(
    [get_page(name) for name in PAGES], position="hidden" if has_routes() else "top"
)
# With the viewfinder, the address names the model, except for the default one.
is_named = not page.url_path and has_viewfinder()
remember_address(st.query_params.get("answer", ""), is_named=is_named)
title = app_title(chosen_bundle())
# The first page is the app itself; its path is empty.
page_title = f"{page.title} · {title}" if page.url_path else title
st.set_page_config(page_title=page_title, page_icon=ICON)
logo, _ = header_logo(DARK if st.context.theme.type == "dark" else LIGHT)
st.logo(logo, size="large")
# On a return from another page, a page may restore what it showed.
st.session_state["is_return"] = st.session_state.get("page", page.url_path) != page.url_path
st.session_state["page"] = page.url_path
page.run()
# Once the page is drawn: each photo leaves a few megabytes of freed memory behind.
trim_memory()
