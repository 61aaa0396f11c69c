"""The Teach page: a visitor's own model, made in the browser from a few photos."""

import streamlit as st

from ui.component import has_routes
from ui.teach_view import show_teach

st.set_page_config(layout="wide")
if has_routes():
    show_teach()
else:
    st.header("Teach", anchor=False)
    st.write(
        "This host can’t run this page. Teach works where the whole app runs, and on a page made "
        "by `python -m model export NAME --to web`."
    )
