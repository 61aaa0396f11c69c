"""The Batch page: from many photos to a chart, a table and files."""

import streamlit as st

from model.settings import settings
from ui.batch import results_view, uploads
from ui.batch.jobs import LIFETIME_MINUTES
from ui.phrasing import escape_markdown, say_passed_on
from ui.session_state import answering_host, usable_bundles
from ui.settings_menu import settings_menu, source_control, warn_if_refused

job = uploads.current_job()
st.set_page_config(layout="centered" if job else "wide")
if job is None:
    left, right = st.columns(2, gap="medium")
    left.header("Many photos at once", anchor=False)
    left.write(
        f"Up to {settings().batch:,} photos, a folder or a zip. You get one table of answers, "
        "a chart, and files for a spreadsheet."
    )
    with right:
        with st.container(horizontal=True, vertical_alignment="center"):
            source = source_control(uploads.SOURCES, key="from")
            st.space("stretch")
            bundle, _ = settings_menu(usable_bundles(), has_top_k=False)
        warn_if_refused(bundle)
        uploads.upload_widget(source)
        results_view.show_last_batch()
        model = f"“{escape_markdown(bundle.manifest.title)}”" if bundle else "the model"
        st.caption(
            f":material/dns: The server keeps the files until {model} has identified them, and the "
            f"results for {LIFETIME_MINUTES} minutes after you leave. Nothing goes to disk."
            f"{say_passed_on('files', answering_host())}"
        )
    if bundle:
        with left:  # Last, because a model that isn't loaded yet needs a moment to answer.
            uploads.show_examples(bundle)
elif not job.ended:
    results_view.show_progress(job)
else:
    results_view.show_headline(job)
    results_view.show_labels_chart(job)
    results_view.show_table(job)
    results_view.show_downloads(job)
    results_view.show_accuracy(job)
    results_view.show_source_line(job)
