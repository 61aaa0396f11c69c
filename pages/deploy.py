"""Deploy: which model and what is wanted, then one host, two others, and all of them."""

import streamlit as st

from ui.deploy_page.hosts_view import show_all_hosts, show_recommendation
from ui.deploy_page.questions import ask

st.set_page_config(layout="wide")
st.header("Deploy", anchor=False)
left, right = st.columns([2, 7], gap="medium")
with left:
    asked = ask()
if asked:
    app, requirements = asked
    with right:
        show_recommendation(requirements, app)
    show_all_hosts(app)
