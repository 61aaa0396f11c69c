"""Deploy: where the app can run, ranked by what matters, with the files to take along."""

import streamlit as st

from deploy.ranking import rank
from ui.hosts.screen import beside_limits, best, left_out, others
from ui.hosts.wishes import ask

st.header("Deploy", anchor=False)
st.caption("Where others can use this app: what fits you, why, and the files for it.")
choices = rank(ask())
best(choices)
others(choices)
left_out(choices)
beside_limits(choices)
st.caption(
    "The same at a terminal: `python -m deploy list`, `show`, `write` and `check`. "
    "`check` starts the app as the host would, and waits for a first answer."
)
