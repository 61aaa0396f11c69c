"""Corrections: what visitors said was wrong, for the owner to review and to train on."""

import streamlit as st

from ui import corrections_view
from ui.navigation import open_workshop

st.set_page_config(layout="wide")
open_workshop()
choice = corrections_view.choose_corrections()
corrections_view.show_summary(choice)
corrections_view.review_photos(choice)
corrections_view.show_training(choice)
