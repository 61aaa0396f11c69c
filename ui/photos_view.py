"""The owner's photo sets: their labels, photos and problems, and adding photos."""

import re
from collections.abc import Sequence
from typing import NoReturn
from unicodedata import normalize

import streamlit as st

from model.errors import LoupeError
from model.text import count_of, list_some
from model.training.photo_report import PhotoReport, ReportedProblem, load_report
from model.training.photo_sets import (
    PhotoNames,
    PhotoSet,
    delete_photo_set,
    list_photo_sets,
    photos_by_label,
    read_changes,
    require_target,
)
from model.training.training_job import current_job, find_training_obstacle
from model.training.unpacked_photos import MAX_SET_BYTES
from ui import component
from ui.charts import main_button
from ui.navigation import get_page, show_failure
from ui.photo_gallery import (
    ACTIONS,
    LEFT_OUT,
    RESTORE,
    SUGGESTED,
    change_key,
    photo_address,
    show_photos_of_set,
    show_set_change,
)
from ui.phrasing import escape_markdown, join_words, spell_number
from ui.training_view import ELSEWHERE, start

MAX_NAME = 64

CHOSEN = "set"
"""The query parameter with the chosen set's name."""

PICKED, SEEN = "photo-set", "photo-set-seen"
"""Keys of the session's state: the chosen set, and the one that the address had last."""


def choose_set() -> tuple[PhotoSet, PhotoNames] | None:
    """Let the owner choose a photo set; None if there is none.

    An upload or a link names a set in the address; a newly named set is chosen.
    """
    with show_failure(stops=True):
        sets = list_photo_sets()
        if not sets:
            return None
        asked, state = st.query_params.get(CHOSEN, ""), st.session_state
        if asked in sets and asked != state.get(SEEN):
            state[PICKED] = asked
        elif state.get(PICKED) not in sets:
            # Streamlit forgets the widget's value when another page opens.
            job, last = current_job(), state.get(SEEN)
            names = [last, job.model if job else None, *sets]
            state[PICKED] = next(one for one in names if one in sets)
        name: str = state[PICKED]
        if len(sets) > 1:
            name = st.selectbox("Photo set", sets, key=PICKED, width=320)
        st.query_params[CHOSEN] = state[SEEN] = name
        return sets[name], photos_by_label(sets[name])


def show_photos(photo_set: PhotoSet, found: PhotoNames) -> None:
    """Show how many photos each label has, or the photos of the chosen label or problem."""
    show_set_change(photo_set)
    shown = st.session_state.get(_shown_key(photo_set))
    if shown is None:
        _show_labels(photo_set, found)
        return
    if st.button("All labels", icon=":material/arrow_back:", type="tertiary"):
        _open(photo_set, None)
    kind, name = shown
    if kind == "problem":
        report = load_report(photo_set.name)
        problems = report.problems if report else []
        problem = next((one for one in problems if one.code == name), None)
        if problem is None:
            _open(photo_set, None)
        _show_problem(photo_set, found, problem)
    elif name == LEFT_OUT:
        st.subheader(f"{LEFT_OUT}: {count_of(len(found.left_out), 'photo')}", anchor=False)
        show_photos_of_set(photo_set, found, found.left_out, [RESTORE])
    else:
        names = found.by_label.get(name, [])
        count = count_of(len(names), "photo")
        st.subheader(f"{escape_markdown(name)}: {count}", anchor=False)
        changed = any(one in found.relabelled for one in names)
        photos = dict.fromkeys(names, name)
        show_photos_of_set(photo_set, found, photos, [*([RESTORE] if changed else []), *ACTIONS])


def describe_set(photo_set: PhotoSet, found: PhotoNames) -> None:
    """Show the headline: how many photos and labels there are, and which label has the fewest."""
    counts = {label: len(names) for label, names in found.by_label.items()}
    if not counts:
        st.header(f"No photos in {photo_set.name} yet", anchor=False)
        return
    total = count_of(sum(counts.values()), "photo")
    labels = f"{spell_number(len(counts))} label{'s' if len(counts) != 1 else ''}"
    st.header(f"{total} of {labels}", anchor=False)
    where = "" if photo_set.is_own else " Its folder is read-only."
    rarest = min(counts, key=lambda label: counts[label])
    few = count_of(counts[rarest], "photo")
    st.write(f"{photo_set.name}. Rarest label: {escape_markdown(rarest)}, {few}.{where}")


def _show_labels(photo_set: PhotoSet, found: PhotoNames) -> None:
    rows = [
        _row(photo_set, label, names)
        for label, names in sorted(found.by_label.items(), key=lambda item: -len(item[1]))
    ]
    if found.left_out:
        rows.append(_row(photo_set, LEFT_OUT, [*found.left_out], "not trained on"))
    data = {"rows": rows}
    key = f"rows-{photo_set.name}"
    sent = component.mount("photo_rows", "owner/photo_rows.mjs", data, key=key, open=None)
    if sent.open:
        _open(photo_set, ("label", str(sent.open)))


def _row(
    photo_set: PhotoSet, label: str, names: Sequence[str], note: str = ""
) -> dict[str, object]:
    photos = [photo_address(photo_set.name, name) for name in names[:3]]
    return {"label": label, "count": len(names), "photos": photos, "note": note}


def show_problems(photo_set: PhotoSet, found: PhotoNames) -> None:
    """List the problems to look at before training; pressing one shows its photos."""
    if len(found.by_label) < 2:
        return
    report = load_report(photo_set.name)
    if report is None:
        st.markdown("**What to look at first**")
        st.write("Damaged photos, duplicates, and photos that may have the wrong label.")
    else:
        count = sum(map(len, found.by_label.values()))
        is_old = (report.photos, report.changes) != (count, read_changes(photo_set.changes_file))
        _list_problems(photo_set, report, is_old=is_old)
    text = "Look for problems" if report is None else "Look again"
    is_busy = bool(current_job() or find_training_obstacle())
    if st.button(text, key=f"check-{photo_set.name}", type="tertiary", disabled=is_busy):
        start("--set", photo_set.name, "--name", photo_set.name, "--check")


def _list_problems(photo_set: PhotoSet, report: PhotoReport, *, is_old: bool) -> None:
    problems = report.problems
    things = f"{spell_number(len(problems)).capitalize()} thing{'s' * (len(problems) != 1)}"
    st.markdown(f"**{things} to look at first**" if problems else "**No problems found**")
    if report.note:
        st.write(f"Not checked for wrong labels: {escape_markdown(report.note)}")
    if is_old:
        st.caption("Photos or labels have changed since this check.")
    for problem in problems:
        if not problem.photos:
            names = join_words([escape_markdown(name) for name in problem.details[:5]])
            st.write(f"{problem.title}: {names}")
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            if problem.code != "damaged":
                st.image(photo_address(photo_set.name, problem.photos[0].name), alt="", width=48)
            text = f"{problem.title}: {len(problem.photos)}"
            if st.button(text, type="tertiary", key=problem.code):
                _open(photo_set, ("problem", problem.code))


def _show_problem(photo_set: PhotoSet, found: PhotoNames, problem: ReportedProblem) -> None:
    st.subheader(problem.title, anchor=False)
    known = {name: label for label, names in found.by_label.items() for name in names}
    known |= found.left_out
    suggested = {photo.name: photo.suggested for photo in problem.photos if photo.suggested}
    photos = {photo.name: known[photo.name] for photo in problem.photos if photo.name in known}
    actions = [RESTORE, *ACTIONS, *([SUGGESTED] if suggested else [])]
    show_photos_of_set(photo_set, found, photos, actions, suggested)


def _shown_key(photo_set: PhotoSet) -> str:
    return f"shown-{photo_set.name}"


def _open(photo_set: PhotoSet, what: tuple[str, str] | None) -> NoReturn:
    st.session_state[_shown_key(photo_set)] = what
    st.session_state.pop(change_key(photo_set.name), None)
    st.rerun()


def show_adding(photo_set: PhotoSet | None) -> None:
    """Let the owner add photos to a set, or make a new one."""
    st.subheader("Add photos", anchor=False)
    if reason := find_training_obstacle():
        st.warning(f"{reason} {ELSEWHERE}", icon=":material/block:")
        return
    can_add = photo_set is not None and photo_set.is_own
    name, mode = photo_set.name if photo_set else "", "add"
    if not can_add or st.toggle("Make a new set"):
        mode = "new"
        typed = st.text_input("Name of the set", "" if photo_set else "my model", width=320)
        letters = normalize("NFKD", typed.casefold()).encode("ascii", "ignore").decode()
        name = re.sub("[^a-z0-9]+", "-", letters).strip("-")[:MAX_NAME]
        refusal = _find_refusal(name)
        st.caption(refusal or f"Its model will be called {name}.")
        name = "" if refusal else name
    data = {
        "base": component.base_path(),
        "name": name,
        "mode": mode,
        "limitMb": MAX_SET_BYTES // 1_000_000,
        "ask": "A zip or a folder, with a folder of photos per label.",
    }
    sent = component.mount("upload", "owner/upload.mjs", data, done=None)
    st.page_link(get_page("teach"), label="Or take photos on Teach")
    if sent.done:
        name = str(sent.done["name"])
        words = f"{count_of(sent.done['added'], 'photo').capitalize()} added."
        if sent.done["copies"]:
            words += f" {count_of(sent.done['copies'], 'exact duplicate')} left out."
        if refused := sent.done["refused"]:
            count = count_of(sent.done["refused_count"], "file")
            names = list_some([one.rstrip(".") for one in refused], 3)
            words += f" {count} couldn’t be used: {escape_markdown(names)}."
        st.session_state[change_key(name)] = words, None
        st.query_params[CHOSEN] = name
        if sent.done["added"] and len(sent.done["labels"]) > 1:
            start("--set", name, "--name", name, "--check")
        else:
            st.rerun()


def _find_refusal(name: str) -> str:
    """Return why a new set can't have this name; "" if it can."""
    if not name:
        return "Type a name first."
    try:
        require_target(name, "new")
    except LoupeError as error:
        return str(error)
    return ""


def show_deleting(photo_set: PhotoSet) -> None:
    """Let the owner delete a set with its photos, after a second press."""
    if not photo_set.is_own:
        return
    name = photo_set.name
    # With its name, so that a press on a page that shows a deleted set can't mean another one.
    with st.popover(f"Delete the set {name}", icon=":material/delete:", type="tertiary"):
        st.write("This deletes its photos from this computer. Models trained on them stay.")
        if st.button("Delete the photos", key=f"delete-{name}", type=main_button()):
            with show_failure():
                delete_photo_set(photo_set)
                del st.query_params[CHOSEN]
                st.rerun()
