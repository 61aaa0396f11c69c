"""Deploy: which model, what matters, then the hosts with the files that bring it there."""

import streamlit as st

from ui.deploy_page.hosts_view import show_hosts
from ui.deploy_page.questions import ask_requirements, choose_app

st.header("Deploy", anchor=False)
st.caption("From your model to a link: which model, what matters to you, and the way to a host.")
if app := choose_app():
    show_hosts(ask_requirements(), app)
    st.caption("The same in a terminal, for any host:")
    st.code(
        f"python -m deploy list\npython -m deploy show HOST{app.options}\n"
        f"python -m deploy write HOST{app.options}\npython -m deploy check HOST",
        language=None,
        wrap_lines=True,
    )
