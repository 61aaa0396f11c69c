"""Deploy: where the app can run, ranked by requirements, with the files to download."""

import streamlit as st

from deploy.ranking import rank
from ui.deploy_page.fit import show_fit
from ui.deploy_page.requirements import ask_requirements
from ui.deploy_page.view import show_ranking

st.header("Deploy", anchor=False)
st.caption("Find a host for this app: what fits your needs, why, and the files to deploy it.")
ranked = rank(ask_requirements())
show_ranking(ranked)
show_fit([option.host for option in ranked if option.host])
st.caption(
    "Or use the terminal: “check” starts the app as the host does and waits for a first answer."
)
st.code(
    "python -m deploy list\npython -m deploy show HOST\n"
    "python -m deploy write HOST\npython -m deploy check HOST",
    language=None,
)
