"""Identify: a photo goes in, an honest answer comes out."""

import streamlit as st

from model import LoupeError
from model.share_link import decode
from ui.answer_view import actions, chart, photo, recent_photos, source_line, words
from ui.capture import WAYS, capture
from ui.phrasing import SIGNATURE_NOTES, refusal
from ui.session import session
from ui.settings_menu import check_model, settings_menu

here = session()
token = st.query_params.get("answer", "")
with st.container(horizontal=True, vertical_alignment="center"):
    way = st.segmented_control(
        "How the photo comes in",
        WAYS,
        default=WAYS[0],
        required=True,
        key="way",
        bind="query-params",
        label_visibility="collapsed",
    )
    st.space("stretch")
    top = settings_menu()

check_model()
capture(way, answered=bool(token))
if here.refusal and not token:
    st.warning(here.refusal, icon=":material/broken_image:")
if st.session_state.pop("thanks", False):
    st.toast("Thank you. It is kept.", icon=":material/check:")

if answer := here.find(token):
    # Side by side where there is room; a phone shows one below the other.
    left, right = st.columns(2, gap="medium")
    with right:
        words(answer.prediction)
    with left:
        photo(answer)
    with right:
        chart(answer.prediction, top)
    actions(answer)
    source_line(answer.prediction)
elif token:
    try:
        shared = decode(token)
        st.info(SIGNATURE_NOTES[shared.signature])
        words(shared.prediction)
        chart(shared.prediction, top)
        source_line(shared.prediction)
    except LoupeError as error:
        st.warning(refusal(error), icon=":material/link_off:")
elif not here.refusal:
    st.caption(
        "A model that runs right here says what is on your photo. "
        "Nothing is kept unless you say so."
    )

recent_photos(token)
