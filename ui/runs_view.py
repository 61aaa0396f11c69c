"""The training runs: a table, one run's result, comparisons, publishing and deleting."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pandas as pd
import streamlit as st

from model import Bundle, list_models
from model.bundle import get_bundle
from model.errors import BundleError, DataError
from model.evaluation.paired import PairedEvaluation
from model.text import count_of
from model.training.photo_sets import list_photo_sets
from model.training.run_record import RunRecord, delete_run, list_runs
from model.training.stored_predictions import Mistake, StoredPredictions, compare_runs
from model.training.training_job import current_job, unfinished_runs
from ui.photo_gallery import photo_address, show_pictures
from ui.phrasing import escape_markdown, phrase_failure
from ui.publish_view import describe_uses, show_comparison, show_publishing
from ui.reliability import format_interval, show_calibration
from ui.run_charts import draw_curves, draw_intervals, draw_trials

MAX_CHOICES, MAX_CONFUSED = 20, 6
"""Most runs to choose from, most pairs of confused labels."""

CHOSEN = "run"
"""The query parameter with the chosen run's number."""


def choose_runs() -> list[RunRecord]:
    """Show all runs, and let the owner choose some; the newest is chosen at first."""
    runs = list_runs()
    if not runs:
        st.write(
            "Nothing has been trained yet. Train in *Photos & training*, or with `python -m model "
            "train` in a terminal; every run appears on this page."
        )
        return []
    by_number, job = {run.number: run for run in runs}, current_job()
    in_use = _list_in_use(runs)
    rows = [row for run in runs for row in _to_rows(run, in_use, job.model if job else None)]
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.dataframe(pd.DataFrame(rows).fillna(""), hide_index=True, height="content")
    with right:
        draw_intervals(runs, in_use)
    asked = st.query_params.get(CHOSEN, "")
    first = int(asked) if asked.isdecimal() and int(asked) in by_number else runs[0].number
    chosen = st.pills(
        "Look at one run, or compare several",
        list(dict.fromkeys([*list(by_number)[:MAX_CHOICES], first])),
        selection_mode="multi",
        default=[first],
        format_func=lambda number: f"Run {number}, {by_number[number].model}",
    )
    return [by_number[number] for number in sorted(chosen, reverse=True)]


def _list_in_use(runs: Sequence[RunRecord]) -> list[int]:
    """Return the numbers of the runs that made a model's current version."""
    versions: dict[str, str] = {}
    for name in {run.model for run in runs}:
        with suppress(BundleError):
            versions[name] = get_bundle(name).version
    return [run.number for run in runs if run.version and versions.get(run.model) == run.version]


def _to_rows(
    run: RunRecord, in_use: Sequence[int], training: str | None
) -> Iterator[dict[str, str]]:
    """Yield a run's row and, below it, those of its trials."""
    metric = run.metric("accuracy")
    state: str = "ready" if run.version else run.state_now(training)
    yield {
        "Run": f"{run.number}",
        "Correct": f"{metric.value:.1%}" if metric else "",
        "State": "in use" if run.number in in_use else state,
        "Model": run.model,
        "Started (UTC)": f"{run.started:%d %b, %H:%M}",
        "Network": str(run.parameters.get("arch", "")),
        "Photos": run.photos[:8],
    }
    for trial in run.trials:
        value = f"{trial['value']:.1%}" if "value" in trial else ""
        name = f"– trial {trial['number']:.0f}"
        yield {"Run": name, "Correct": value, "Network": f"learning rate {trial.get('lr', 0):.1e}"}


def show_result(run: RunRecord) -> None:
    """Show one run: its card, mistakes with their photos, and New against old."""
    st.subheader(f"Run {run.number}: {escape_markdown(run.model)}", anchor=False)
    bundle = run.open_bundle()
    if bundle is None:
        _show_unpublished(run)
    else:
        _show_card(run, bundle)
        _show_mistakes(run)
        _show_replacement(run, bundle)
    draw_curves([run])
    draw_trials(run)
    _show_parameters(run)
    _show_deleting(run)


def _show_unpublished(run: RunRecord) -> None:
    job = current_job()
    state = run.state_now(job.model if job else None)
    if run.version:
        st.write(f"Version {run.version}, which this run made, was deleted.")
    elif state == "running":
        st.write("This run is in progress: *Photos & training* shows how far it is.")
    else:
        may = any(config.run == run.number for config in unfinished_runs())
        more = " *Photos & training* continues or discards it." if may else ""
        st.write(f"It {state}. {escape_markdown(run.error)}{more}")


def _show_card(run: RunRecord, bundle: Bundle) -> None:
    titles = {"accuracy": "Correct", "calibration_error": "Calibration error"}
    with st.container(horizontal=True, gap="large"):
        for name, title in {**titles, "kept": "Known photos accepted"}.items():
            if metric := run.metric(name):
                st.metric(title, f"{metric.value:.1%}", width="content")
    if accuracy := run.metric("accuracy"):
        st.caption(f"{format_interval(accuracy)}, {accuracy.on}")
    for note in run.notes[-MAX_CHOICES:]:
        if note.startswith("Not calibrated"):
            st.caption(escape_markdown(note))
    card = bundle.manifest.card
    ood_sets = card.ood_sets if card else ()
    for result in ood_sets:
        share = f"{result.ood_accept_rate:.0%}"
        st.write(f"Of {result.photos:,} photos of other things, it accepts {share}.")
    if not ood_sets:
        st.caption("“None of these” was not tested on photos of other things.")
    if card:
        with st.expander("Calibration"):
            show_calibration(bundle.manifest, card)


def _show_mistakes(run: RunRecord) -> None:
    try:
        mistakes = StoredPredictions.load(run).mistakes
    except DataError as error:
        st.caption(escape_markdown(str(error)))
        return
    address = _find_address(run)
    if not mistakes:
        st.write("All photos in testing were identified correctly.")
        return
    pairs: dict[tuple[str, str], list[Mistake]] = {}
    for one in mistakes:
        pairs.setdefault((one.label, one.called), []).append(one)
    confused = sorted(pairs.items(), key=lambda item: -len(item[1]))[:MAX_CONFUSED]
    title = f"Mix-ups: {count_of(len(mistakes), 'photo')}"
    with st.expander(title, expanded=True):
        for (label, called), photos in confused:
            words = f"{escape_markdown(label)} called {escape_markdown(called)}: {len(photos)}"
            show_pictures(words, map(_to_picture, photos), address)
    with st.expander("The worst photos"):
        show_pictures("", map(_to_picture, mistakes), address)


def _to_picture(one: Mistake) -> tuple[str, str, str]:
    words = f"{escape_markdown(one.label)}: {one.probability:.0%}  \n"
    return one.photo, one.label, f"{words}called {escape_markdown(one.called)}"


def _find_address(run: RunRecord) -> Callable[[str], str] | None:
    """Return a function from a photo's name to its address; None if its photo set is missing."""
    if run.photo_set not in list_photo_sets():
        return None
    return lambda name: photo_address(run.photo_set, name)


def _show_replacement(run: RunRecord, bundle: Bundle) -> None:
    """Compare a run with the current version, and let the owner publish the run's version."""
    text = f"Publish run {run.number}"
    current = list_models().get(run.model)
    if not isinstance(current, Bundle):
        st.write("Visitors have no version of this model yet.")
        show_publishing(None, bundle, None, text, is_sure=True, prepare=run.move_bundle)
        return
    runs = [one for one in list_runs() if one.model == run.model and one.state == "done"]
    if current.version == bundle.version:
        st.success("This version is in use.", icon=":material/check:")
        earlier = (one for one in runs if one.number < run.number and not one.models_dir.is_dir())
        if (previous := next(earlier, None)) and (old := previous.open_bundle()):
            show_publishing(current, old, None, f"Put back run {previous.number}", is_sure=True)
        return
    st.subheader("New against old", anchor=False)
    old_run = next((one for one in runs if one.version == current.version), None)
    if old_run is None:
        st.write("No run on record made the version in use. Compare the two on *Publish*.")
        figures = None
    else:
        uses = describe_uses(max(len(runs) - 1, 1))
        figures = _compare(old_run, run, f"No model answered photos it was trained on. {uses}")
    is_older = old_run is not None and old_run.number > run.number and not run.models_dir.is_dir()
    text = f"Put back run {run.number}" if is_older else text
    show_publishing(current, bundle, figures, text, is_sure=is_older, prepare=run.move_bundle)


def _compare(old: RunRecord, new: RunRecord, note: str) -> PairedEvaluation | None:
    """Show a comparison of two runs; if that is impossible, show the reason and return None."""
    try:
        figures = compare_runs(old, new)
    except DataError as error:
        st.write(phrase_failure(error))
        return None
    show_comparison(figures, note, _find_address(new))
    return figures


def _show_parameters(run: RunRecord) -> None:
    with st.expander("Parameters and notes"):
        rows = _list_parameters(run)
        rows |= {name: f"{count:,}" for name, count in run.counts.items()}
        rows["photos (fingerprint)"] = run.photos[:12]
        rows["time"] = f"{run.seconds / 60:.1f} minutes"
        st.table(pd.DataFrame({"value": rows}).rename_axis("parameter"))
        for note in run.notes:
            st.caption(escape_markdown(note))


def _list_parameters(run: RunRecord) -> dict[str, str]:
    unset = ("", None, False, 0)
    return {name: str(value) for name, value in run.parameters.items() if value not in unset}


def _show_deleting(run: RunRecord) -> None:
    # An unfinished run of the model may depend on which photos this one has held out.
    job = current_job()
    if run.model in {job and job.model, *(config.name for config in unfinished_runs())}:
        return
    with st.popover(f"Delete run {run.number}", icon=":material/delete:", type="tertiary"):
        st.write("This deletes its record, and a model’s first version if you never published it.")
        if st.button("Delete the run", key=f"delete-{run.number}"):
            delete_run(run)
            st.query_params.pop(CHOSEN, None)
            st.rerun()


def show_run_comparison(runs: Sequence[RunRecord]) -> None:
    """Show several runs' curves and parameters; for two, also the answers that differ."""
    draw_curves(runs)
    rows = {f"Run {run.number}": _list_parameters(run) for run in runs}
    frame = pd.DataFrame(rows).rename_axis("parameter")
    differing = frame[frame.nunique(axis=1, dropna=False) > 1]
    st.markdown("**Parameters that differ**" if len(differing) else "**The same parameters**")
    if len(differing):
        st.table(differing)
    if len(runs) == 2:
        new, old = runs
        _compare(old, new, f"Old is run {old.number}, new is run {new.number}.")
