"""The Compare page: one photo through every way that Loupe can answer it."""

import streamlit as st

from model.answer.phrases import trust_lines
from model.settings import settings
from ui import compare_page
from ui.component import has_routes
from ui.phrasing import escape_markdown, say_passed_on, to_markdown
from ui.session_state import chosen_bundle, usable_bundles
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
    compare_page.show_component(bundle)
    if error := st.session_state.pop("comparison_error", None):
        st.warning(error)
if comparison := compare_page.kept_comparison(bundle):
    headline, sentence = compare_page.describe_agreement(comparison, bundle)
    with right:
        st.subheader(headline, anchor=False)
        st.write(sentence)
        for line in trust_lines(comparison.reference.prediction(bundle), None):
            st.write(to_markdown(line))
        compare_page.show_ways(comparison, bundle)
        for failure in comparison.failures:
            st.caption(f"{compare_page.WAYS[failure.way].title}: no answer ({failure.failed}).")
        compare_page.show_labels(comparison, bundle)
    st.subheader("Where should inference take place?", anchor=False)
    st.table(compare_page.trade_offs(comparison, bundle), border="horizontal", hide_index=True)
else:
    with right:
        st.caption(
            "The whole file is sent to the server for the ways that run there, used for the "
            f"answer, then gone.{say_passed_on('file', settings().api_host)}"
        )
