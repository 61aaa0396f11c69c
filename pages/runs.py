"""Runs: every training's result, compared with others, published or put back."""

import streamlit as st

from ui.navigation import open_workshop
from ui.runs_view import choose_runs, show_result, show_run_comparison

st.set_page_config(layout="wide")
open_workshop()
st.header("Runs", anchor=False)
chosen = choose_runs()
if len(chosen) == 1:
    show_result(chosen[0])
elif chosen:
    show_run_comparison(chosen)
