"""The frame around every page: title, navigation, which page came before.

To add a page: a file in ``pages/`` and a line in ``PAGES``.
"""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    # Streamlit puts this script's folder on the path; imports start at the root.
    sys.path.insert(0, str(ROOT))

PAGES = {
    "Use": [
        st.Page(
            ROOT / "pages/identify.py",
            title="Identify",
            icon=":material/photo_camera:",
            default=True,
        ),
        st.Page(ROOT / "pages/batch.py", title="Batch", icon=":material/photo_library:"),
        st.Page(ROOT / "pages/about.py", title="About", icon=":material/info:"),
    ],
    "Make": [
        st.Page(ROOT / "pages/models.py", title="Models", icon=":material/deployed_code:"),
    ],
}

st.set_page_config(
    page_title="Loupe", page_icon=":material/search:", layout="centered", initial_sidebar_state="auto"
)
page = st.navigation(PAGES, position="top")
st.session_state["came_from"] = st.session_state.get("page")
st.session_state["page"] = page.url_path
page.run()
