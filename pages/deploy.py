"""The Deploy page: questions about model and needs, then one host, two others, and all of them."""

import streamlit as st

from ui.component import has_routes
from ui.hosts_view import ask, show_all_hosts, show_recommendation
from ui.navigation import open_workshop

st.set_page_config(layout="wide")
if has_routes():
    open_workshop()
st.header("Deploy", anchor=False)
left, right = st.columns([2, 7], gap="medium")
with left:
    asked = ask()
if asked:
    app, answers = asked
    with right:
        show_recommendation(answers, app)
    show_all_hosts(app)
