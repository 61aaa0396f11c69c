"""The owner's review of corrections: a gallery, what was decided, and how to train on it."""

from collections import Counter
from dataclasses import dataclass
from shlex import quote
from typing import Any

import streamlit as st

from model import list_models
from model.corrections import Correction, correction_store
from model.corrections.review import (
    MAX_PER_VISIT,
    ReviewItem,
    list_items,
    training_folder,
    write_training_photos,
)
from model.corrections.store import Review
from model.errors import BundleError, DataError
from model.settings import settings
from model.storage.disk import is_lasting
from model.text import count_of
from ui import component
from ui.photo_gallery import show_gallery, show_last_change
from ui.phrasing import escape_markdown, join_words, phrase_failure, spell_number

STATES: dict[str, Review | None] = {"To review": None, "Kept": "kept", "Dropped": "dropped"}

ACTIONS: dict[str, tuple[str, str, Review | None]] = {
    "drop": ("Drop", "dropped", "dropped"),
    "relabel": ("Relabel…", "kept with another label", "kept"),
    "keep": ("Keep for training", "kept for training", "kept"),
    "delete": ("Delete for good", "deleted", None),
    "restore": ("Review again", "to review again", None),
}
"""Button text, confirmation and resulting review state, by the name of the action."""

OFFERED: dict[Review | None, tuple[str, ...]] = {
    None: ("drop", "relabel", "keep"),
    "kept": ("restore",),
    "dropped": ("delete", "restore"),
}
"""Actions by the state of the photos that are shown."""

MAX_SHOWN = 200
"""Most tiles of the gallery."""

LAST = "reviewed"
"""The key of the session state that says what was done last, and what undoes it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the owner looks at: the corrections of one model, those in one state."""

    model: str
    corrections: list[Correction]
    review: Review | None
    items: list[ReviewItem]
    flooded: Counter[tuple[str, str]]


def choose_corrections() -> Choice:
    """Let the owner choose a model and what to see; with no corrections, say so and end."""
    st.header("Corrections", anchor=False)
    everything = list(correction_store().iter_corrections())
    if not (settings().database.get_secret_value() or is_lasting(settings().data)):
        st.warning(
            "This host has no lasting disk: corrections and sign-ins are gone after its next "
            "restart, unless LOUPE_DATABASE names a database.",
            icon=":material/hourglass_bottom:",
        )
    if not everything:
        st.write(
            "Nobody has corrected an answer yet. Visitors do it with *Right* and *Wrong?* below "
            "an answer."
        )
        st.stop()
    models = [name for name, _ in Counter(one.model for one in everything).most_common()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox("Model", models, width=240) if len(models) > 1 else models[0]
        own = [one for one in everything if one.model == model]
        state = st.segmented_control(
            "Show", STATES, default="To review", required=True, label_visibility="collapsed"
        )
    review = STATES[state]
    return Choice(model, own, review, *list_items(own, review))


def show_summary(choice: Choice) -> None:
    """Say how many corrections there are, and which don't count."""
    visits = len({one.visit for one in choice.corrections if one.visit})
    photos = sum(one.has_photo for one in choice.corrections)
    source = f" from {count_of(visits, 'visit')}" if visits else ""
    parts = [f"**{count_of(len(choice.corrections), 'correction')}{source}.**"]
    if photos < len(choice.corrections):
        parts.append(f"{count_of(photos, 'photo').capitalize()} came with them.")
    if len(choice.items) > 1 and choice.review is None:
        parts.append("Least likely label first.")
    counted = spell_number(MAX_PER_VISIT)
    for (_, label), count in choice.flooded.most_common(3):
        name = escape_markdown(label)
        parts.append(f"One visit sent {count} of {name}; only {counted} of them are counted.")
    st.write(" ".join(parts))


def review_photos(choice: Choice) -> None:
    """Show the gallery, and do what the owner presses."""
    if before := show_last_change(LAST):
        _undo(choice.model, before)
        st.rerun()
    if not choice.items:
        st.caption("No photos here.")
        return
    base, items, actions = component.base_path(), choice.items[:MAX_SHOWN], []
    for name in OFFERED[choice.review]:
        action = {"name": name, "text": ACTIONS[name][0]}
        actions.append({**action, "isMain": name == "keep", "needsLabel": name == "relabel"})
    shown, hint = [_to_json(item, base) for item in items], "Select photos to decide on them."
    act = show_gallery("gallery", _labels_of(choice), shown, actions, hint)
    if len(choice.items) > MAX_SHOWN:
        st.caption(f"{len(choice.items) - MAX_SHOWN:,} more follow once these are reviewed.")
    if act:
        _act(choice, act)
        st.rerun()


def _to_json(item: ReviewItem, base: str) -> dict[str, object]:
    first = item.first
    said = f"{first.predicted} {first.probability:.0%}" if first.predicted else "none of these"
    return {
        "id": first.id,
        "photo": f"{base}owner/corrections/{first.id}.jpg",
        "label": item.label,
        "said": f"model: {said}",
        "count": len(item.ids),
        "note": "" if item.is_agreed else "Not for training",
        "read": first.wording or "nothing, since it came through the API or an earlier release",
    }


def _labels_of(choice: Choice) -> list[str]:
    bundle = list_models().get(choice.model)
    known = [] if bundle is None or isinstance(bundle, BundleError) else bundle.labels[:200]
    return list(dict.fromkeys([*known, *(item.label for item in choice.items)]))


def _act(choice: Choice, act: dict[str, Any]) -> None:
    """Do what was pressed; only photos that are shown can be chosen."""
    name, chosen = str(act["name"]), set(map(int, act["ids"]))
    if name not in OFFERED[choice.review]:
        return
    _, done, after = ACTIONS[name]
    items = [item for item in choice.items if item.first.id in chosen]
    ids = {number for item in items for number in item.ids if item.is_agreed or after != "kept"}
    # Only what the owner has seen is trained on: copies may differ.
    copies = ids - chosen if after == "kept" else set[int]()
    before = [
        (one.id, one.review, one.reviewed_label) for one in choice.corrections if one.id in ids
    ]
    try:
        if name == "delete":
            for number in ids:
                correction_store().delete(number)
            before = []
        else:
            label = str(act["label"]) if name == "relabel" else None
            correction_store().review(ids - copies, after, label)
            correction_store().review(copies, "dropped")
        write_training_photos(correction_store(), choice.model)
    except (DataError, OSError) as error:
        st.session_state[LAST] = phrase_failure(error), []
    else:
        words = f"{count_of(len(ids - copies), 'photo').capitalize()} {done}."
        also = f" {count_of(len(copies), 'near duplicate')} dropped." if copies else ""
        st.session_state[LAST] = words + also, before


def _undo(model: str, before: list[tuple[int, Review | None, str | None]]) -> None:
    del st.session_state[LAST]
    try:
        for number, review, label in before:
            correction_store().review([number], review, label)
        write_training_photos(correction_store(), model)
    except (DataError, OSError) as error:
        st.session_state[LAST] = phrase_failure(error), []


def show_training(choice: Choice) -> None:
    """Say which photos are kept, and the command that trains on them."""
    kept, _ = list_items(choice.corrections, "kept")
    st.subheader("Train on them", anchor=False)
    if kept:
        counts = Counter(item.label for item in kept)
        labels = join_words([f"{escape_markdown(label)} {n}" for label, n in counts.most_common()])
        folder = training_folder(choice.model)
        st.write(
            f"{count_of(len(kept), 'photo').capitalize()} kept: {labels}. They are trained on, "
            "and never used to measure a model. One that a visitor takes back is left out."
        )
        command = f"python -m model train PHOTOS --name {choice.model} --candidate --also"
        st.code(f"{command} {quote(str(folder))}", language="bash")
    else:
        st.write("Keep some of the photos to train a model on them, together with your own.")
    base = component.base_path()
    st.write(f"[Download all corrections]({base}owner/corrections.zip) as a zip.")
