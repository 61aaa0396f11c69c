"""The Identify page: from a photo to an answer."""

from contextlib import suppress

import streamlit as st

from model.errors import LinkError
from ui import viewfinder
from ui.charts import draw_further
from ui.component import has_routes
from ui.plain_identify import identify_again, show_plain
from ui.session_state import usable_bundles
from ui.settings_menu import settings_menu, warn_if_refused, warn_if_unusable

# On a desk, the chart stands below the viewfinder's words; elsewhere, it wraps to its own line.
BESIDE_PX, CHART_PX = 560, 440

bundles, is_wide = usable_bundles(), viewfinder.has_viewfinder()
st.set_page_config(layout="wide" if is_wide else "centered")
# Above a viewfinder that fills the screen, or a warning would go unseen.
notice = st.container()
place = st.container()
with st.container(horizontal=True, gap=None):
    if is_wide:
        st.space(BESIDE_PX)
    chart = st.container(key="chart", width=CHART_PX)
with st.container(horizontal=True, vertical_alignment="center"):
    if is_wide:
        # Shown only until the viewfinder, which hides it, is drawn.
        with st.container(key="plain", width="content"):
            viewfinder.link_to_plain()
    elif has_routes():
        st.button("With the viewfinder", type="tertiary", on_click=viewfinder.open_viewfinder)
    st.space("stretch")
    more = viewfinder.link_to_plain if is_wide else lambda: None
    bundle, top_k = settings_menu(bundles, identify_again, has_model=not is_wide, more=more)
with notice:
    if warn_if_unusable(bundles) and is_wide:
        # The viewfinder moves up by as much, to the page's header.
        st.space("medium")
    viewfinder.warn_if_not_loaded()
warn_if_refused(bundle, has_model=not is_wide)
viewfinder.remember_visit()
if is_wide:
    token = st.query_params.get("answer", "")
    drawn = ""
    with chart, suppress(LinkError):
        draw_further(token, viewfinder.ROWS, top_k)
        drawn = token
    # After the chart, so that the viewfinder never shows an earlier answer's chart.
    with place:
        viewfinder.show_viewfinder(drawn, rows=min(viewfinder.ROWS, top_k))
else:
    with place:
        show_plain(bundle, top_k)
