"""Corrections: what visitors said was wrong, for the owner to review and to train on."""

import streamlit as st

from ui.corrections_view import (
    choose_corrections,
    review_photos,
    show_summary,
    show_training,
)
from ui.owner_pages import open_workshop

st.set_page_config(layout="wide")
open_workshop()
choice = choose_corrections()
show_summary(choice)
review_photos(choice)
show_training(choice)
