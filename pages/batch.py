"""The Batch page: from many photos to a chart, a table and files."""

import streamlit as st

from model.settings import settings
from ui.batch.example_rows import show_examples
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
from ui.batch.uploads import SOURCES, current_job, upload_widget
from ui.chosen_model import answering_host
from ui.page_data import usable_bundles
from ui.phrasing import escape_markdown, say_passed_on
from ui.settings_menu import settings_menu, source_control, warn_if_refused

job = current_job()
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
            source = source_control(SOURCES, key="from")
            st.space("stretch")
            bundle, _ = settings_menu(usable_bundles(), has_top_k=False)
        warn_if_refused(bundle)
        upload_widget(source)
        show_last_batch()
        model = f"“{escape_markdown(bundle.manifest.title)}” has" if bundle else "they are"
        st.caption(
            f":material/dns: On the server: the files, until {model} answered, and the results, "
            f"for up to {LIFETIME_MINUTES} minutes after you leave. Nothing is saved to disk."
            f"{say_passed_on('files', answering_host())}"
        )
    if bundle:
        with left:  # Last, because a model that isn't loaded yet needs a moment to answer.
            show_examples(bundle)
elif not job.ended:
    show_progress(job)
else:
    show_headline(job)
    show_labels_chart(job)
    show_table(job)
    show_downloads(job)
    show_accuracy(job)
    show_source_line(job)
