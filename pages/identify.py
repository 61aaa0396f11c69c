"""The Identify page: from a photo to an answer."""

import streamlit as st

from model import LoupeError
from model.answer.share_link import decode
from ui.answer_view import show_answer, show_further_labels
from ui.app_info import app_description, app_title
from ui.capture import capture
from ui.component import FAILED_KEY, has_routes
from ui.phrasing import escape_markdown, phrase_error
from ui.session import current_session, open_token
from ui.settings_menu import (
    settings_menu,
    source_control,
    usable_bundles,
    warn_if_refused,
    warn_if_unusable,
    way_menu,
)
from ui.viewfinder import ROWS, WAY_KEY, is_chosen, show_viewfinder, ways

# As wide as on a page that isn't.
MAX_CHART_PX = 704

session, bundles = current_session(), usable_bundles()
has_viewfinder = is_chosen()
if has_viewfinder:
    # Chosen again, or the first time.
    st.session_state.pop(FAILED_KEY, None)
has_failed = FAILED_KEY in st.session_state
st.set_page_config(layout="wide" if has_viewfinder else "centered")
# Above a viewfinder that fills the screen, or a refused link would go unseen.
notice = st.container()
# Filled in once the model and the number of results are chosen.
head, answer = st.container(), st.container(width=MAX_CHART_PX)
with st.container(horizontal=True, vertical_alignment="center"):
    if has_routes():
        # Another key closes it once another way is chosen.
        with st.popover("Other ways", key=f"ways-{has_viewfinder}"):
            way = way_menu(ways(), key=WAY_KEY)
    else:
        way = source_control(ways(), key=WAY_KEY)
    st.space("stretch")
    bundle, top_k = settings_menu(bundles)
with notice:
    if warn_if_unusable(bundles) and has_viewfinder:
        # The viewfinder moves up by as much, to the page's header.
        st.space("medium")
warn_if_refused(bundle)

with head:
    if not has_viewfinder:
        if not open_token() and not session.error:
            st.title(escape_markdown(app_title(bundle)), anchor=False)
            st.write(escape_markdown(app_description(bundle)))
        # A new photo is identified (ui/session.py) before the page is drawn.
        capture(way, bundle, is_answered=bool(open_token()))
    if not has_failed:
        show_viewfinder(bundles, bundle, rows=min(ROWS, top_k))

token = open_token()
if session.error and (has_viewfinder or not token):
    notice.warning(session.error, icon=":material/broken_image:")
if token:
    with answer:
        try:
            prediction = decode(token).prediction
            if has_failed:
                show_answer(prediction, top_k)
            else:
                show_further_labels(prediction, ROWS, top_k)
        except LoupeError as error:
            notice.warning(phrase_error(error), icon=":material/link_off:")
            if has_viewfinder:
                notice.space("medium")
