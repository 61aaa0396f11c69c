"""Photos & training: the owner's photo sets, their problems, and training on one."""

import streamlit as st

from ui import photos_view
from ui.navigation import open_workshop
from ui.training_view import show_job, show_last_run, show_training

st.set_page_config(layout="wide")
open_workshop()
busy = show_job()
if busy:
    st.divider()
chosen = photos_view.choose_set()
if chosen:
    photos, side = st.columns([13, 6], gap="large")
    with photos:
        photos_view.describe_set(*chosen)
        photos_view.show_photos(*chosen)
    with side:
        show_last_run(chosen[0])
        show_training(*chosen)
        photos_view.show_problems(*chosen)
else:
    st.header("No photos yet", anchor=False)
# While its run is in progress or stopped, a set can't be added to or deleted.
if not (chosen and chosen[0].name in busy):
    photos_view.show_adding(chosen[0] if chosen else None)
    if chosen:
        photos_view.show_deleting(chosen[0])
