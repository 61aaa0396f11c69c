"""The Models page: a card for every model in the registry."""

import streamlit as st

from model import Bundle, list_models
from ui.chosen_model import chosen_bundle
from ui.models_page.card import show_card, show_unusable_card

st.header("Models", anchor=False)
st.caption("What each model knows, how good it is, and where it comes from.")
chosen = chosen_bundle()
for name, bundle in list_models().items():
    if isinstance(bundle, Bundle):
        show_card(bundle, is_chosen=chosen is not None and name == chosen.name)
    else:
        show_unusable_card(name, bundle)
