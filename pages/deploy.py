"""Deploy: which model, what matters, then the hosts with the files that bring it there."""

import streamlit as st

from deploy.ranking import rank
from ui.deploy_page.app_choice import choose_app
from ui.deploy_page.fit import show_fit
from ui.deploy_page.requirements import ask_requirements
from ui.deploy_page.view import show_ranking

st.header("Deploy", anchor=False)
st.caption("From your model to a link: which model, what matters to you, and the way to a host.")
if app := choose_app():
    ranked = rank(ask_requirements(), app)
    show_ranking(ranked, app)
    show_fit([option.host for option in ranked if option.host], app)
    st.caption("The same in a terminal, for any host:")
    st.code(
        f"python -m deploy list\npython -m deploy show HOST{app.options}\n"
        f"python -m deploy write HOST{app.options}\npython -m deploy check HOST",
        language=None,
        wrap_lines=True,
    )
