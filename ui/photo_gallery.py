"""Photos on the owner's pages: galleries to select in, changes to undo, rows of pictures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urljoin

import streamlit as st

from model.errors import DataError
from model.text import count_of
from model.training.photo_report import load_report
from model.training.photo_sets import PhotoNames, PhotoSet, change_photos, read_changes
from ui import component
from ui.phrasing import phrase_failure


def show_gallery(
    key: str, labels: Sequence[str], items: Sequence[object], actions: Sequence[object], hint: str
) -> Any:
    """Show photos as ``device/owner/gallery.mjs`` does; return the pressed action, or None."""
    data = {"labels": labels, "items": items, "actions": actions, "hint": hint}
    return component.mount("gallery", "owner/gallery.mjs", data, key=key, act=None).act


def show_last_change(key: str) -> Any:
    """Show the last change, which the session state has by ``key`` with what undoes it.

    Returns what undoes it if *Undo* was pressed, else None.
    """
    if last := st.session_state.get(key):
        with st.container(horizontal=True, vertical_alignment="center"):
            words, undo = last
            st.write(words)
            if undo and st.button("Undo", key=f"undo-{key}", type="tertiary"):
                return undo
    return None


def show_pictures(
    title: str, photos: Iterable[tuple[str, str, str]], address: Callable[[str], str] | None
) -> None:
    """Show some photos in a row by name, label and caption; without address, captions alone."""
    if title:
        st.markdown(f"**{title}**")
    with st.container(horizontal=True):
        for name, label, caption in islice(photos, MAX_PICTURES):
            if address:
                st.image(address(name), caption=caption, alt=label, width=120)
            else:
                st.write(caption)


MAX_SHOWN, MAX_PICTURES = 200, 12
"""Most photos of a gallery, and of a row of pictures, that are shown."""

LEFT_OUT = "Left out"
"""The title of the photos that are left out."""

RESTORE = {"name": "restore", "text": "Restore", "isMain": False, "needsLabel": False}
SUGGESTED = {**RESTORE, "name": "suggested", "text": "Use the suggested label"}
ACTIONS = (
    {**RESTORE, "name": "leave out", "text": "Leave out"},
    {"name": "relabel", "text": "Relabel…", "isMain": True, "needsLabel": True},
)


def show_set_change(photo_set: PhotoSet) -> None:
    """Say what was changed last in a set, with a button that undoes it."""
    if before := show_last_change(change_key(photo_set.name)):
        _change(photo_set, before, "as before", is_undo=True)


def change_key(photo_set: str) -> str:
    """Return the session state's key of a set's last change."""
    return f"photos-changed-{photo_set}"


def photo_address(photo_set: str, name: str) -> str:
    """Return the address of a small copy of a photo, for the owner's browser."""
    # Streamlit would take an address without a scheme for a file on the server.
    base = urljoin(st.context.url or "", component.base_path())
    return f"{base}owner/photos/{photo_set}/{quote(name)}"


def show_photos_of_set(
    photo_set: PhotoSet,
    found: PhotoNames,
    photos: Mapping[str, str],
    actions: Sequence[Mapping[str, object]],
    suggested: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Show photos, and apply the action that the owner presses.

    Args:
        photo_set: the photos' set.
        found: the names of all its photos.
        photos: labels by name; only these photos can be changed.
        actions: the buttons to show.
        suggested: labels that photos look like, by name.
    """
    damaged, names = list_damaged(photo_set), list(photos)[:MAX_SHOWN]
    items: list[dict[str, object]] = []
    for name in names:
        other = suggested.get(name, photos[name])
        said = f"looks like {other}" if other != photos[name] else ""
        if was := found.relabelled.get(name):
            said = f"was {was}"
        if name in found.left_out:
            said = LEFT_OUT.lower()
        item = {"id": name, "label": photos[name], "count": 1, "read": "", "note": ""}
        item["photo"] = "" if name in damaged else photo_address(photo_set.name, name)
        items.append({**item, "said": name.rpartition("/")[2] if name in damaged else said})
    act = show_gallery(
        f"gallery-{photo_set.name}",
        [*found.by_label],
        items,
        actions,
        "Select photos to leave them out or to give them another label.",
    )
    if len(photos) > MAX_SHOWN:
        st.caption(f"The first {MAX_SHOWN} of {len(photos):,}.")
    st.caption("Your changes are saved separately; the photo files stay unchanged.")
    if not act:
        return
    chosen = [name for name in map(str, act["ids"]) if name in photos]
    match act["name"]:
        case "suggested":
            _change(photo_set, {name: suggested.get(name, "") for name in chosen}, "relabelled")
        case "relabel":
            _change(photo_set, dict.fromkeys(chosen, str(act["label"])), "relabelled")
        case "restore":
            _change(photo_set, dict.fromkeys(chosen, ""), "restored")
        case _:
            _change(photo_set, dict.fromkeys(chosen), "left out")


def _change(
    photo_set: PhotoSet, labels: Mapping[str, str | None], done: str, *, is_undo: bool = False
) -> None:
    """Relabel photos, or leave out (None) or restore ("") them, and note what was done."""
    undo = None
    try:
        before = read_changes(photo_set.changes_file)
        change_photos(photo_set, labels)
    except (DataError, OSError) as error:
        words = phrase_failure(error)
    else:
        words = f"{count_of(len(labels), 'photo').capitalize()} {done}."
        undo = None if is_undo else {name: before.get(name, "") for name in labels}
    st.session_state[change_key(photo_set.name)] = words, undo
    st.rerun()


def list_damaged(photo_set: PhotoSet) -> set[str]:
    """Return the names of the photos that the last check could not read."""
    report = load_report(photo_set.name)
    problems = report.problems if report else []
    return {one.name for problem in problems if problem.code == "damaged" for one in problem.photos}
