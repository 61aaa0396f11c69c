"""Training on this computer: its options, its progress, and resuming a stopped run."""

import streamlit as st

from model.corrections.review import training_folder
from model.settings import settings
from model.storage.disk import is_lasting
from model.storage.photo_files import list_photos
from model.text import count_of, list_some
from model.training.config import MIN_TRAINING_PHOTOS, TrainingConfig
from model.training.photo_sets import PhotoNames, PhotoSet
from model.training.run_record import CHECK, RunRecord, list_runs, read_run
from model.training.training_job import (
    current_job,
    discard_run,
    estimate_seconds,
    find_training_obstacle,
    seconds_left,
    stages_left,
    start_job,
    stop_job,
    unfinished_runs,
)
from ui.charts import main_button
from ui.navigation import get_page, owner_fragment, show_failure
from ui.phrasing import escape_markdown
from ui.reliability import describe_interval
from ui.run_charts import draw_curves

NETWORKS = {
    "lite0": "EfficientNet-Lite0, the fastest on phones",
    "lite2": "EfficientNet-Lite2, twice as slow and often a little better",
}


ELSEWHERE = "Train elsewhere with `python -m model train`, and deploy the model from there."

MIN_PHOTOS = MIN_TRAINING_PHOTOS + 1
"""Fewest photos of a label: some to train on, and one that is held out."""

TITLES = {"Full graph": "Measuring", "Small graph": "Measuring as on phones"}
"""Titles of stages on screen, where they differ from the names."""


def show_job() -> set[str]:
    """Show the run in progress, or the stopped ones; return the names of their models."""
    if job := current_job():
        with st.container():
            _watch()
        return {job.model}
    stopped = unfinished_runs()
    for config in stopped:
        _show_stopped(config)
    return {config.name for config in stopped}


def _find_record(model: str, runs: list[RunRecord]) -> RunRecord | None:
    """Return the record that the running process writes, of a run or of a check."""
    records = [one for one in (*runs, read_run(CHECK)) if one and one.state == "running"]
    own = [one for one in records if one.model == model]
    return max(own, key=lambda one: one.started, default=None)


@owner_fragment(run_every=2)
def _watch() -> None:
    """Show progress until the process ends; then draw the page again."""
    job, runs = current_job(), list_runs()
    if job is None:
        st.rerun()
    if (record := _find_record(job.model, runs)) is None:
        st.write("Starting…")
        return
    number, left = record.number, seconds_left(record, runs)
    work = "Checking the photos" if number == CHECK else "Training"
    st.header(f"{work}, {describe_time(left)} left", anchor=False)
    run = "" if number == CHECK else f", run {number}"
    notes = [f"{escape_markdown(record.model)}{run}. You can close this page."]
    if number != CHECK:
        notes.append(_when_published(is_candidate=bool(record.parameters.get("candidate"))))
    if settings().threads < 2:
        notes.append("This host has one core, so visitors’ answers sometimes take longer.")
    st.write(" ".join(notes))
    left_side, right_side = st.columns(2, gap="large")
    with left_side:
        _show_stages(record, runs)
        if st.button("Stop", icon=":material/stop:"):
            with st.spinner("Stopping…"):
                stop_job()
            st.rerun()
        st.caption("Stops within five seconds. Finished work is saved.")
    with right_side:
        draw_curves([record])


def _when_published(*, is_candidate: bool) -> str:
    when = "once you publish it" if is_candidate else "at the end, without *Publish*"
    return f"Visitors get the new model {when}."


def _show_stages(record: RunRecord, runs: list[RunRecord]) -> None:
    """List the stages that are done, the one that runs or has stopped, and those that follow."""
    current = record.stages[-1] if record.stages else None
    lines = [
        f":green[:material/check:] {_title(stage.name)} · {_clock(stage.seconds)}"
        for stage in record.stages
        if stage != current and stage.name != "Starting"
    ]
    st.markdown("  \n".join(lines) or "Starting…")
    if current and current.name == "Searching":
        tried = f"{count_of(len(record.trials), 'setting')} tried"
        st.progress(current.done / max(1, current.total), text=f"**Searching**: {tried}")
    elif current and current.total:
        share = min(1.0, current.done / current.total)
        of = f"{current.done:,} of {current.total:,}"
        st.progress(share, text=f"**{_title(current.name)}**: {of}")
    elif current and lines and record.state == "running":
        st.markdown(f"**{_title(current.name)}…**")
    waiting = stages_left(record, runs).items()
    lines = [f":material/circle: {_title(name)} · {describe_time(s)}" for name, s in waiting]
    st.markdown("  \n".join(lines))


def _title(stage: str) -> str:
    return TITLES.get(stage, stage)


def _show_stopped(config: TrainingConfig) -> None:
    record = read_run(config.run) if config.run else None
    current = record.stages[-1] if record and record.stages else None
    where = f" in “{_title(current.name)}”" if current else ""
    if record and record.state == "failed":
        why = escape_markdown(record.error)
    else:
        why = "You stopped it." if record and record.state == "stopped" else "Its process ended."
    st.header(f"Stopped{where}", anchor=False)
    st.write(
        f"{escape_markdown(config.name)}, run {config.run}. {why} What is done is kept. "
        f"{_when_published(is_candidate=config.candidate)}"
    )
    cannot = bool(find_training_obstacle())
    with st.container(horizontal=True):
        key = f"continue-{config.name}"
        if st.button("Continue", key=key, type=main_button(), disabled=cannot):
            start("--name", config.name, "--resume")
        with st.popover(f"Discard run {config.run}", icon=":material/delete:"):
            st.write("This deletes everything the run has saved so far. The photos stay.")
            if st.button("Discard it", key=f"discard-{config.name}"):
                with show_failure():
                    discard_run(config.name)
                    st.rerun()
    if record:
        _show_stages(record, list_runs())
        draw_curves([record])


def show_training(photo_set: PhotoSet, found: PhotoNames) -> None:
    """Show the button that trains on a photo set, and its options."""
    with st.container(border=True):
        st.subheader("Train on this computer", anchor=False)
        if reason := find_training_obstacle():
            st.write(f"{reason} {ELSEWHERE}")
            return
        if not is_lasting(settings().data):
            st.warning("This host’s disk doesn’t outlast a restart: photos and runs will be gone.")
        if len(found.by_label) < 2:
            st.write("A model needs photos of two labels or more.")
            return
        if few := [label for label, names in found.by_label.items() if len(names) < MIN_PHOTOS]:
            st.write(
                f"Too few photos of {escape_markdown(list_some(few, 3))}: each label needs "
                f"{MIN_PHOTOS}. Add some, or leave those out."
            )
            return
        if current_job():
            st.write("You can train once the work above has ended.")
            return
        if any(config.name == photo_set.name for config in unfinished_runs()):
            st.write("Continue or discard the run above first.")
            return
        place = st.empty()
        with st.expander("How it is trained"):
            arch = st.selectbox("Network", NETWORKS, format_func=NETWORKS.__getitem__)
            limit = "Time limit in minutes"
            minutes = st.number_input(limit, 1, 24 * 60, None, placeholder="no limit")
            corrections = training_folder(photo_set.name)
            kept = len(list_photos(corrections)) if corrections.is_dir() else 0
            also = kept and st.checkbox(f"With {count_of(kept, 'kept correction')}", value=True)
            search = st.number_input(
                "Search for better settings, in minutes", 0, 24 * 60, 0, help="Uses Optuna."
            )
        with place.container():
            photos = sum(map(len, found.by_label.values()))
            seconds = estimate_seconds(photos, arch, list_runs()) + 60 * search
            seconds = min(seconds, 60.0 * minutes) if minutes else seconds
            st.write(f"{describe_time(seconds).capitalize()}. {_when_published(is_candidate=True)}")
            key = f"train-{photo_set.name}"
            if st.button("Train", key=key, type=main_button(), width="stretch"):
                options = ["--search", search] if search else []
                options += ["--minutes", minutes] if minutes else []
                options += ["--also", corrections] if also else []
                names = ("--set", photo_set.name, "--name", photo_set.name)
                start(*names, "--arch", arch, "--candidate", "--keep", *options)


def show_last_run(photo_set: PhotoSet) -> None:
    """Show the result of the last training on a photo set, and a check that failed."""
    runs = [run for run in list_runs() if run.photo_set == photo_set.name]
    check = read_run(CHECK)
    if check and check.photo_set == photo_set.name and check.state == "failed":
        st.error(f"The photos couldn’t be checked: {escape_markdown(check.error)}")
    run = next((one for one in runs if one.version or one.state == "failed"), None)
    if run is None:
        return
    metric = run.metric("accuracy")
    with st.container(border=True):
        if run.state == "failed":
            st.error(f"Run {run.number} failed: {escape_markdown(run.error)}")
        elif metric:
            st.write(f"**Run {run.number}: {metric.value:.1%} correct**{describe_interval(metric)}")
        st.page_link(
            get_page("runs"),
            label="See the result" if run.version else "See the run",
            icon=":material/monitoring:",
            query_params={"run": str(run.number)},
        )


def start(*arguments: object) -> None:
    """Start training or a check, and draw the page again; or say why neither could start."""
    if current_job():
        st.rerun()  # another tab started one first
    with show_failure():
        with st.spinner("Starting…"):
            start_job(*arguments)
        st.rerun()


def describe_time(seconds: float) -> str:
    """Return a duration in words, such as 'about 8 minutes'."""
    if seconds < 15:
        return "a few seconds"
    if seconds < 50:
        return "less than a minute"
    if seconds < 90:
        return "about a minute"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.1f} hours"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
