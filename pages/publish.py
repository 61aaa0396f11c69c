"""Publish: a new version of a model against the one in use, published and put back."""

import streamlit as st

from model.evaluation.held_out import count_uses
from ui import publish_view
from ui.add_model import show_add_model
from ui.navigation import open_workshop

st.set_page_config(layout="wide")
owner = open_workshop()
st.header("Publish", anchor=False)
if pair := publish_view.choose_pair():
    if figures := publish_view.compare(*pair):
        name = pair[0].name
        note = publish_view.describe_uses(count_uses(name))
        publish_view.show_comparison(figures, note, publish_view.held_out_address(name, owner))
    publish_view.show_publishing(*pair, figures)
st.divider()
show_add_model()
