"""The Batch page: from many photos to a chart, a table and files."""

import streamlit as st

from ui.batch.job_cache import LIFETIME_MINUTES
from ui.batch.results_view import (
    show_accuracy,
    show_downloads,
    show_headline,
    show_labels_chart,
    show_last_batch,
    show_progress,
    show_source_line,
    show_table,
)
from ui.batch.uploads import SOURCES, current_job, is_batch_expired, upload_error, upload_widget
from ui.chosen_model import answering_host
from ui.page_data import usable_bundles
from ui.phrasing import escape_markdown, say_passed_on
from ui.settings_menu import settings_menu, source_control, warn_if_refused

job = current_job()
if job is None:
    st.header("Identify a batch of photos", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        source = source_control(SOURCES, key="from")
        st.space("stretch")
        bundle, _ = settings_menu(usable_bundles(), has_top_k=False)
    warn_if_refused(bundle)
    if is_batch_expired():
        st.info(
            f"This batch has expired: results are kept for up to {LIFETIME_MINUTES} minutes after "
            "you leave. Upload the photos again for new results.",
            icon=":material/history_toggle_off:",
        )
    upload_widget(source)
    if error := upload_error():
        st.warning(escape_markdown(error), icon=":material/folder_off:")
    show_last_batch()
    answers = f" “{escape_markdown(bundle.manifest.title)}” answers there." if bundle else ""
    passed_on = say_passed_on("files", answering_host())
    st.caption(
        f"The files go to the server.{passed_on}{answers} You get a chart, a table, and CSV "
        "and JSON downloads. Photos that can’t be read are listed with the reason. Results "
        f"stay in the server’s memory for up to {LIFETIME_MINUTES} minutes after you leave; "
        "nothing is saved to disk."
    )
elif not job.ended:
    show_progress(job)
else:
    show_headline(job)
    show_labels_chart(job)
    show_table(job)
    show_downloads(job)
    show_accuracy(job)
    show_source_line(job)
