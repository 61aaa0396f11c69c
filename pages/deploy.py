"""Deploy: where the app can run, ranked by what matters, with the files to take along."""

import streamlit as st

from deploy.ranking import rank
from ui.deploy_page.requirements import ask
from ui.deploy_page.view import beside_limits, best, left_out, others

st.header("Deploy", anchor=False)
st.caption("Where others can use this app: what fits you, why, and the files for it.")
choices = rank(ask())
best(choices)
others(choices)
left_out(choices)
beside_limits(choices)
st.caption("The same at a terminal; check starts the app as the host would, to a first answer.")
st.code(
    "python -m deploy list\npython -m deploy show HOST\n"
    "python -m deploy write HOST\npython -m deploy check HOST",
    language=None,
)
