"""Batch: many photos go in, a table and a chart come out."""

import streamlit as st

from ui.batch.uploads import WAYS, current, refusal, ways_in
from ui.batch.view import (
    against_folders,
    downloads,
    headline,
    labels_chart,
    progress,
    settings_menu,
    source_line,
    table,
)
from ui.phrasing import escaped

job = current()
if job is None:
    with st.container(horizontal=True, vertical_alignment="center"):
        way = st.segmented_control(
            "How the photos come in",
            WAYS,
            default=WAYS[0],
            required=True,
            key="from",
            bind="query-params",
            label_visibility="collapsed",
        )
        st.space("stretch")
        settings_menu()
    ways_in(way)
    if refusal():
        st.warning(escaped(refusal()), icon=":material/folder_off:")
    st.caption(
        "A table, a chart and files to take home. A photo that cannot be read is listed with the "
        "reason. Nothing is kept here."
    )
elif not job.ended:
    progress(job)
else:
    headline(job)
    labels_chart(job)
    table(job)
    downloads(job)
    against_folders(job)
    source_line(job)
