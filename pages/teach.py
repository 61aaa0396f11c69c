"""The Teach page: a visitor's own model, made in the browser from a few photos."""

import streamlit as st

from ui.component import base_path, has_routes, mount
from ui.navigation import can_train

st.set_page_config(layout="wide")
if not has_routes():
    st.header("Teach", anchor=False)
    st.write(
        "This host can’t run this page. Teach works where the whole app runs, and on a page made "
        "by `python -m model export NAME --to web`."
    )
    st.stop()
# Its button "Use it" opens Identify with the visitor's model. For the owner, "Train on this
# computer" sends the photos to the app.
data = {"base": base_path(), **({"train": True} if can_train() else {})}
if mount("teach", "streamlit_teach.mjs", data).failed:
    st.warning(
        "Teach couldn’t be loaded, perhaps because something between this browser and the app "
        "blocks its files. Reload the page to try again.",
        icon=":material/block:",
    )
