"""The Models page: a card for every model in the registry."""

import streamlit as st

from model import Bundle, list_models
from ui.models_page import find_axis_start, show_card, show_store_problems, show_unusable_card
from ui.session_state import TAUGHT_KEY, chosen_bundle

st.set_page_config(layout="wide")
st.header("Models", anchor=False)
st.caption("What each one knows, how often it is right, and what it doesn’t notice.")
show_store_problems()
models = list_models()
# None of these is in use while the visitor's own model is.
chosen = None if TAUGHT_KEY in st.session_state else chosen_bundle()
start = find_axis_start(bundle for bundle in models.values() if isinstance(bundle, Bundle))
for name, bundle in models.items():
    if isinstance(bundle, Bundle):
        is_chosen = chosen is not None and name == chosen.name
        show_card(bundle, is_chosen=is_chosen, axis_start=start)
    else:
        show_unusable_card(name, bundle)
