"""A batch on the screen: how far it is, what it found, what to take home."""

from io import BytesIO

import pandas as pd
import streamlit as st
from PIL import Image, ImageOps
from streamlit.elements.lib.column_types import ColumnConfig

from model.errors import DataError
from ui.batch.evaluation import confusion_chart, label_frame, measured, unmatched
from ui.batch.job import Job, Result
from ui.batch.table import NONE, counted, csv_file, frame, json_lines, names, time_left, unsure
from ui.batch.uploads import clear, left_out
from ui.charts import accent, bars
from ui.phrasing import escaped, listed, percent
from ui.settings_menu import bundles, engine_choice, model_choice

__all__ = [
    "against_folders",
    "downloads",
    "headline",
    "labels_chart",
    "progress",
    "settings_menu",
    "source_line",
    "table",
]

SHOWN = 8
VIEWS = ("All", "Unsure", "Refused")


def settings_menu() -> None:
    """Which model and engine the next batch asks."""
    found = bundles()
    with st.popover("", icon=":material/tune:", help="Model, engine"):
        engine_choice(found, model_choice(found))


@st.fragment(run_every=0.5)
def progress(job: Job) -> None:
    """How far it is, with a button that stops it; the page comes anew at the end."""
    if job.ended:
        st.rerun()
    done = len(job.results)
    said = time_left(done, job.total, job.seconds) if job.labels else "Waking the model …"
    st.progress(done / job.total, "Stopping …" if job.stopping else said)
    st.button(
        "Stop and keep what is done",
        icon=":material/stop_circle:",
        key="batch-stop",
        on_click=job.stop,
        disabled=job.stopping,
    )
    st.caption("It goes on while you look at other pages.")
    with st.container(horizontal=True):
        for result in job.results[-3:]:
            if result.prediction:
                _seen(result, ", ".join(names(result.prediction)))


def _seen(result: Result, answer: str) -> None:
    with st.container(width=104, gap="xsmall"), Image.open(BytesIO(result.thumbnail)) as image:
        # Squares, so that nothing jumps from one look to the next.
        st.image(ImageOps.fit(image, (104, 104)), alt=result.name)
        st.caption(escaped(answer if len(answer) < 24 else f"{answer[:22]}…"))


def headline(job: Job) -> None:
    """What became of the photos, in words, and the way to the next batch."""
    refused = [result for result in job.results if result.refused]
    answered = len(job.results) - len(refused)
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.header(f"{answered:,} of {job.total:,} answered", anchor=False, width="content")
        st.button("New batch", icon=":material/add:", key="batch-new", on_click=clear)
    if job.failure:
        st.warning(escaped(job.failure), icon=":material/error:")
    elif len(job.results) < job.total:
        st.info(
            f"Stopped: {_photos(job.total - len(job.results))} were not looked at.",
            icon=":material/stop_circle:",
        )
    if left_out():
        st.warning(
            f"That was more than one batch holds: {_photos(left_out())} were left out.",
            icon=":material/production_quantity_limits:",
        )
    if refused:
        first = refused[0].refused
        st.warning(
            f"{_photos(len(refused))} could not be read"
            + (f": {escaped(first.message)}" if first and len(refused) == 1 else "")
            + ("" if len(refused) == 1 else ". The table says why."),
            icon=":material/broken_image:",
        )


def _photos(count: int) -> str:
    return f"{count:,} photo" if count == 1 else f"{count:,} photos"


def labels_chart(job: Job) -> None:
    """How many photos of each label, the most frequent first."""
    counts, left = counted(job.results)
    if not counts:
        return
    st.subheader("What is on them", anchor=False)
    bars(
        [label for label, _ in counts],
        [count for _, count in counts],
        [f"{count:,}" for _, count in counts],
        top=max(count for _, count in counts),
        first=accent(sure=counts[0][0] != NONE),
        value_title="Photos",
    )
    if left:
        st.caption("The most frequent labels. Every label is in the table and in the files.")


def table(job: Job) -> None:
    """Every photo, to be sorted and filtered."""
    if not job.results:
        return
    st.subheader("Photo by photo", anchor=False)
    shown = _filtered(job)
    if not shown:
        st.caption("No photo fits.")
        return
    data = frame(shown)
    only_reasons = all(one.refused for one in shown)
    st.dataframe(
        data,
        hide_index=True,
        row_height=56,
        height=min(56 * len(shown) + 38, 520),
        column_order=_columns(data),
        column_config={
            "picture": st.column_config.ImageColumn("Photo", width=64, pinned=True),
            "answer": st.column_config.TextColumn("Answer", width=420 if only_reasons else 150),
            "probability": st.column_config.ProgressColumn(
                "Probability", format="%.1f%%", min_value=0, max_value=100, width=110
            ),
            "photo": st.column_config.TextColumn("File", width=180),
            "folder": st.column_config.TextColumn("Folder", width=110),
            "next": st.column_config.TextColumn("Then", width=220),
            "milliseconds": st.column_config.NumberColumn("Time", format="%d ms", width=70),
        },
        alt="One row for each photo: answer, probability, file, what else it could be",
    )


def _columns(data: pd.DataFrame) -> list[str]:
    """The columns that hold anything, as a phone should show them first."""
    return [name for name in data.columns if data[name].replace("", None).notna().any()]


def _filtered(job: Job) -> list[Result]:
    """The results that the visitor wants to see."""
    groups = {
        "All": job.results,
        "Unsure": [one for one in job.results if one.prediction and unsure(one.prediction)],
        "Refused": [one for one in job.results if one.refused],
    }
    view = st.segmented_control(
        "Show",
        [name for name in VIEWS if groups[name]],
        format_func=lambda name: f"{name} {len(groups[name]):,}",
        default="All",
        required=True,
        key="batch-view",
        label_visibility="collapsed",
    )
    shown = groups.get(view, job.results)
    counts, _ = counted(shown, most=len(job.labels) + 1)
    if len(counts) < 2:
        return shown
    numbers = dict(counts)
    wanted = st.multiselect(
        "Only these labels",
        list(numbers),
        format_func=lambda label: f"{label} ({numbers.get(label, 0):,})",
        placeholder="All labels",
        key=f"batch-labels-{view}",
        label_visibility="collapsed",
    )
    if not wanted:
        return shown
    return [one for one in shown if one.prediction and set(names(one.prediction)) & set(wanted)]


def downloads(job: Job) -> None:
    """All results as files, whatever the table shows."""
    if not job.results:
        return
    with st.container(horizontal=True):
        st.download_button(
            "CSV",
            lambda: csv_file(job.results),
            "loupe.csv",
            "text/csv",
            key="batch-csv",
            icon=":material/download:",
            on_click="ignore",
            help="A row for each photo, for a spreadsheet",
        )
        st.download_button(
            "JSON",
            lambda: json_lines(job.results),
            "loupe.jsonl",
            "application/jsonl",
            key="batch-json",
            icon=":material/download:",
            on_click="ignore",
            help="One object a line, as the command line prints them",
        )


def against_folders(job: Job) -> None:
    """How often the model is right, where folders are named for labels."""
    strange = unmatched(job.results, job.labels)
    try:
        found = measured(job.results, job.labels)
    except DataError as error:
        st.info(escaped(str(error)))
        return
    if found is None:
        # One folder is just where the photos lay; several are meant as labels.
        if len(strange) > 1:
            st.caption(f"No folder is named for a label, so nothing is measured: {_some(strange)}.")
        return
    st.subheader("Against the folders' names", anchor=False)
    share = found.answered
    st.write(
        f"Right for **{share.right:,} of {_photos(share.count)}**: {percent(share.value)}. "
        f"On many more photos like these it would be between {percent(share.low)} and "
        f"{percent(share.high)} (95% interval)."
    )
    if strange:
        st.warning(
            f"Not measured, because no label has that name: {_some(strange)}.",
            icon=":material/folder_off:",
        )
    dark = st.context.theme.type == "dark"
    chart = confusion_chart(
        found, accent(), accent(sure=False), text="#E7F0EE" if dark else "#12211F"
    )
    st.altair_chart(chart, width="stretch")
    st.caption(
        "Each line is a folder, each column what the model said. Teal is right, amber is wrong."
    )
    _labels_table(label_frame(found))


def _labels_table(data: pd.DataFrame) -> None:
    with st.expander("Label by label"):
        st.dataframe(
            data,
            hide_index=True,
            column_config={
                "Found": _share("Of the photos in this folder, how many got its name"),
                "Right when said": _share("Of the photos that got this name, how many are of it"),
            },
        )


def _share(help: str) -> ColumnConfig:
    return st.column_config.ProgressColumn(
        help=help, format="percent", min_value=0, max_value=1, width=120
    )


def _some(folders: list[str]) -> str:
    more = len(folders) - SHOWN
    shown = [f"*{escaped(name)}*" for name in folders[:SHOWN]]
    return listed([*shown, f"{more:,} more"] if more > 0 else shown)


def source_line(job: Job) -> None:
    """How long it took, the engine, the version."""
    said = next((one.prediction for one in job.results if one.prediction), None)
    parts = [f"{_photos(len(job.results))} in {job.seconds:.1f} s"]
    if job.seconds > 1 and len(job.results) > 1:
        parts.append(f"{len(job.results) / job.seconds:.1f} a second")
    if said:
        parts += [f"{said.engine} engine", f"{said.model} {said.version}"]
    st.caption(" · ".join(parts))
