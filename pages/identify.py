"""The Identify page: from a photo to an answer."""

from contextlib import nullcontext

import streamlit as st

from model import LoupeError
from ui.answer_view import (
    show_actions,
    show_chart,
    show_chart_title,
    show_origin,
    show_photo,
    show_recent_photos,
    show_source_line,
    show_words,
)
from ui.app_info import app_description, app_title
from ui.capture import capture
from ui.component import has_routes
from ui.phrasing import escape_markdown, phrase_error
from ui.session import current_session, open_token
from ui.settings_menu import (
    DEFAULT_RESULTS,
    MAX_RESULTS,
    settings_menu,
    source_control,
    usable_bundles,
    warn_if_refused,
    warn_if_unusable,
)
from ui.viewfinder import WAY_KEY, find_answer, is_chosen, show_viewfinder, ways

session, token, bundles = current_session(), open_token(), usable_bundles()
has_viewfinder = is_chosen()
st.set_page_config(layout="wide" if has_viewfinder else "centered")
# Above a viewfinder that fills the screen, or a refused link would go unseen.
notice = st.container()
# Filled in once the model and the number of results are chosen.
head, answer = st.container(), st.container() if has_viewfinder else None
with st.container(horizontal=True, vertical_alignment="center"):
    # Four ways are too wide for a phone.
    with st.popover("Other ways") if has_routes() else nullcontext():
        way = source_control(ways(), key=WAY_KEY)
    st.space("stretch")
    # The viewfinder has bars of the first five already.
    bundle, top_k = settings_menu(bundles, MAX_RESULTS if has_viewfinder else DEFAULT_RESULTS)
warn_if_unusable(bundles)
warn_if_refused(bundle)

if has_viewfinder:
    with head:
        show_viewfinder(bundles, bundle)
else:
    if not token and not session.error:
        with head:
            st.title(escape_markdown(app_title(bundle)), anchor=False)
            st.write(escape_markdown(app_description(bundle)))
            st.caption(
                "Take or upload a photo to see what it is. Photos aren't saved unless you choose "
                "to."
            )
    # A new photo is identified and remembered (ui/session.py) before the page is drawn, so
    # ``token`` is already that of its answer.
    capture(way, is_answered=bool(token))

if session.error and (has_viewfinder or not token):
    st.warning(session.error, icon=":material/broken_image:")
if st.session_state.pop("correction_saved", False):
    st.toast("Thanks. Your correction is saved.", icon=":material/check:")

with answer or st.container():
    if photo := session.get_photo(token):
        # Side by side where there is room; a phone shows one below the other.
        left, right = st.columns(2, gap="medium")
        with right:
            show_words(photo.prediction)
        with left:
            show_photo(photo)
        with right:
            show_chart(photo.prediction, top_k)
        show_actions(photo)
        show_source_line(photo.prediction)
    elif token:
        try:
            prediction, signature = find_answer(token)
            # The viewfinder shows the words, beside the photo if this browser keeps it.
            if has_viewfinder:
                show_chart_title(prediction, top_k)
            else:
                show_origin(signature, token)
                show_words(prediction)
            show_chart(prediction, top_k)
            show_source_line(prediction)
        except LoupeError as error:
            notice.warning(phrase_error(error), icon=":material/link_off:")
            if has_viewfinder:
                # The viewfinder moves up by as much, to the page's header.
                notice.space("medium")

show_recent_photos(token)
