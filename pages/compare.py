"""The Compare page: one photo through every way that Loupe can answer it."""

import streamlit as st

from model.answer.phrases import trust_lines
from model.settings import settings
from ui.chosen_model import chosen_bundle
from ui.compare_page.comparison_view import (
    describe_agreement,
    kept_comparison,
    show_component,
    show_labels,
    show_ways,
    trade_offs,
)
from ui.compare_page.measurement import WAYS
from ui.component import has_routes
from ui.page_data import usable_bundles
from ui.phrasing import escape_markdown, say_passed_on, to_markdown
from ui.settings_menu import warn_if_unusable

st.set_page_config(layout="wide")
bundles, bundle = usable_bundles(), chosen_bundle()
warn_if_unusable(bundles)
st.header("Compare", anchor=False)
model = f" by “{escape_markdown(bundle.manifest.title)}”" if bundle else ""
st.write(
    f"Your photo, answered{model} in every way this app can: on your device and on the server."
)
if bundle is None or not has_routes():
    if bundle:
        st.write("This host can’t run this page, so there is nothing to compare.")
    st.stop()

left, right = st.columns([1, 2], gap="large")
with left:
    show_component(bundle)
    if error := st.session_state.pop("comparison_error", None):
        st.warning(error)
if comparison := kept_comparison(bundle):
    headline, sentence = describe_agreement(comparison, bundle)
    with right:
        st.subheader(headline, anchor=False)
        st.write(sentence)
        for line in trust_lines(comparison.reference.prediction(bundle), None):
            st.write(to_markdown(line))
        show_ways(comparison, bundle)
        for failure in comparison.failures:
            st.caption(f"{WAYS[failure.way].title}: no answer ({failure.failed}).")
        show_labels(comparison, bundle)
    st.subheader("Where should inference take place?", anchor=False)
    st.table(trade_offs(comparison, bundle), border="horizontal", hide_index=True)
else:
    with right:
        st.caption(
            "The whole file is sent to the server for the ways that run there, used for the "
            f"answer, then gone.{say_passed_on('file', settings().api_host)}"
        )
