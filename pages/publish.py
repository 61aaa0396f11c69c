"""Publish: a new version of a model against the one in use, published and put back."""

import streamlit as st

from model.evaluation.held_out import count_uses
from ui.add_model import show_add_model
from ui.owner_pages import open_workshop
from ui.publish_view import (
    choose_pair,
    compare,
    describe_uses,
    held_out_address,
    show_comparison,
    show_publishing,
)

st.set_page_config(layout="wide")
owner = open_workshop()
st.header("Publish", anchor=False)
if pair := choose_pair():
    if figures := compare(*pair):
        name = pair[0].name
        note = describe_uses(count_uses(name))
        show_comparison(figures, note, held_out_address(name, owner))
    show_publishing(*pair, figures)
st.divider()
show_add_model()
