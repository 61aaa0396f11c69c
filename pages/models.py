"""Models: a card for every bundle in the library."""

import streamlit as st

from model import Bundle, list_models
from ui.models_page.card import card, refused_card

st.header("Models", anchor=False)
st.caption("What each model here knows, how good it is, and where it comes from.")
for name, found in list_models().items():
    if isinstance(found, Bundle):
        card(found)
    else:
        refused_card(name, found)
