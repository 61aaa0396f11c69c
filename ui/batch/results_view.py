"""A batch on the screen: progress, labels, table, downloads and accuracy."""

from functools import partial

import streamlit as st

from model.errors import DataError
from model.text import count_of, list_some
from ui.batch.jobs import LIFETIME_MINUTES, Job, PhotoResult
from ui.batch.result_table import (
    count_labels,
    evaluate_folders,
    format_progress,
    is_unsure,
    to_csv,
    to_frame,
    to_json_lines,
)
from ui.batch.uploads import last_job, leave_batch, open_batch
from ui.charts import draw_counts
from ui.confusion import ConfusionMatrix, show_confusion, show_label_table
from ui.phrasing import escape_markdown, format_percent, percent_range, typographic

MAX_BARS = 15


def show_last_batch() -> None:
    """Show a button that opens this session's latest batch, if there is one."""
    job = last_job()
    if job is None:
        return
    label = "Show the last results" if job.ended else "Show the running batch"
    st.button(label, icon=":material/undo:", key="batch-last-open", on_click=open_batch)


@st.fragment(run_every=0.5)
def show_progress(job: Job) -> None:
    """Show the job's progress and a button that stops it; rerun the page at its end."""
    if job.ended:
        st.rerun()
    done = len(job.results)
    progress = format_progress(done, job.total, job.seconds) if job.labels else "Loading the model…"
    st.progress(done / job.total, "Stopping…" if job.stopping else progress)
    st.button(
        "Stop and keep results",
        icon=":material/stop_circle:",
        key="batch-stop",
        on_click=job.stop,
        disabled=job.stopping,
    )
    st.caption(
        "This keeps running while you visit other pages or reload this one. "
        "Its address brings you back to it."
    )


def show_headline(job: Job) -> None:
    """Show how many photos were answered, which failed, and a button for a new batch."""
    failures = [result.failure for result in job.results if result.failure]
    identified = len(job.results) - len(failures)
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        title = f"{identified:,} of {count_of(job.total, 'photo')} identified"
        st.header(title, anchor=False, width="content")
        st.button("New batch", icon=":material/add:", key="batch-new", on_click=leave_batch)
    if job.error:
        st.warning(escape_markdown(job.error), icon=":material/error:")
    elif (missing := job.total - len(job.results)) > 0:
        reason = "Nobody had this page open for a while. " if job.is_abandoned else ""
        photos = f"{count_of(missing, 'photo')} {'was' if missing == 1 else 'were'}"
        st.info(f"{reason}Stopped before {photos} processed.", icon=":material/stop_circle:")
    if job.left_out:
        left_out = f"{job.left_out:,} {'was' if job.left_out == 1 else 'were'} left out"
        text = f"A batch holds up to {count_of(job.total, 'photo')}, so {left_out}."
        st.warning(text, icon=":material/production_quantity_limits:")
    if failures:
        reason = f": {escape_markdown(typographic(failures[0].message))}"
        reason = reason if len(failures) == 1 else ". See the table for the reasons."
        text = f"{count_of(len(failures), 'photo')} couldn’t be read{reason}"
        st.warning(text, icon=":material/broken_image:")


def show_labels_chart(job: Job) -> None:
    """Draw how many photos have each label, the most frequent first."""
    counts = count_labels(job.results)
    if not counts:
        return
    st.subheader("What’s in the photos", anchor=False)
    draw_counts(counts[:MAX_BARS])
    if len(counts) > MAX_BARS:
        all_labels = f"{len(counts):,} labels. The table and downloads have them all."
        st.caption(f"The {MAX_BARS} most common of {all_labels}")


def show_table(job: Job) -> None:
    """Show a table of all photos, to sort and filter."""
    if not job.results:
        return
    st.subheader("All photos", anchor=False)
    results = _filter_results(job)
    data = to_frame(results)
    only_failures = all(result.failure for result in results)
    st.space("small")  # On a phone, the table's toolbar would cover the filter's end.
    st.dataframe(
        data,
        hide_index=True,
        row_height=56,
        height=min(56 * len(results) + 38, 520),
        # Columns with at least one value.
        column_order=[name for name in data.columns if data[name].replace("", None).notna().any()],
        column_config={
            "picture": st.column_config.ImageColumn("Photo", width=64, pinned=True),
            "answer": st.column_config.TextColumn("Answer", width=420 if only_failures else 150),
            "probability": st.column_config.ProgressColumn(
                "Probability", format="%g%%", min_value=0, max_value=100, width=110
            ),
            "photo": st.column_config.TextColumn("File", width=180),
            "folder": st.column_config.TextColumn("Folder", width=110),
            "next": st.column_config.TextColumn("Runners-up", width=220),
            "milliseconds": st.column_config.NumberColumn("Time", format="%d ms", width=70),
        },
        alt="One row for each photo: answer, probability, file, runners-up",
    )


def _filter_results(job: Job) -> list[PhotoResult]:
    """Return the results that the visitor chooses to see, at first all of them."""
    results = job.results
    groups = {
        "All": results,
        "Not sure": [one for one in results if one.prediction and is_unsure(one.prediction)],
        "Couldn’t read": [one for one in results if one.failure],
    }
    view = st.segmented_control(
        "Show",
        [name for name, group in groups.items() if group],
        format_func=lambda name: f"{name} {len(groups[name]):,}",
        default="All",
        required=True,
        key="batch-view",
        label_visibility="collapsed",
    )
    return groups.get(view, results)


def show_downloads(job: Job) -> None:
    """Offer all results as files, whatever the table shows, and say how long they are kept."""
    if not job.results:
        return
    files = (
        ("csv", "CSV", to_csv, "text/csv", "One row per photo, for spreadsheets"),
        ("jsonl", "JSON Lines", to_json_lines, "application/jsonl", "One JSON object per photo"),
    )
    with st.container(horizontal=True):
        for suffix, label, convert, media_type, explanation in files:
            st.download_button(
                label,
                partial(convert, job.results),
                f"loupe.{suffix}",
                media_type,
                key=f"batch-{suffix}",
                icon=":material/download:",
                on_click="ignore",
                help=explanation,
            )
    st.caption(
        f"This page’s address brings you back to these results for up to {LIFETIME_MINUTES} "
        "minutes after you leave, less if the server needs the memory. "
        "Anyone with the address can see them."
    )


def show_accuracy(job: Job) -> None:
    """Show how often the model is right, where folders are named after labels."""
    try:
        evaluation, unmatched = evaluate_folders(job.results, job.labels)
    except DataError as error:
        st.info(escape_markdown(str(error)))
        return
    if evaluation is None:
        # A single folder may only hold the photos; several are probably meant as labels.
        if len(unmatched) > 1:
            reason = "none of these folders is named after a label"
            st.caption(f"No accuracy: {reason} ({_list_folders(unmatched)}).")
        return
    st.subheader("Accuracy by folder", anchor=False)
    accuracy = evaluation.answered
    st.write(
        f"**{accuracy.right:,} of {count_of(accuracy.count, 'photo')} correct**: "
        f"{format_percent(accuracy.value)}. On many more photos like these, expect "
        f"{percent_range(accuracy.low, accuracy.high)} (95% CI)."
    )
    if unmatched:
        text = f"Folders skipped, because no label has their name: {_list_folders(unmatched)}."
        st.warning(text, icon=":material/folder_off:")
    matrix = ConfusionMatrix(evaluation.confusion, job.labels)
    show_confusion(matrix, rows="folders")
    with st.expander("By label"):
        show_label_table(matrix)


def _list_folders(folders: list[str]) -> str:
    return list_some([f"*{escape_markdown(name)}*" for name in folders])


def show_source_line(job: Job) -> None:
    """Show how long it took, the engine and the version."""
    prediction = next((result.prediction for result in job.results if result.prediction), None)
    parts = [f"{count_of(len(job.results), 'photo')} in {job.seconds:.1f} s"]
    if prediction:
        parts += [f"{prediction.engine} engine", f"{prediction.model} {prediction.version}"]
    st.caption(" · ".join(parts))
