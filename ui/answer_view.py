"""An answer on the screen: photo, words, chart, actions and source line."""

from urllib.parse import parse_qs, quote, urlencode, urlsplit

import streamlit as st

from model import Bundle, LoupeError, Prediction, load
from model.bundle import get_bundle
from model.decision import Certainty, certainty, is_sure
from model.engine_info import ENGINES
from model.explanation import occlusion_map, render_overlay
from model.exporting.device_files import small_card_in_use
from model.phrasing import honest_lines
from model.settings import settings
from model.share_link import Signature
from ui.charts import draw_candidates
from ui.phrasing import (
    SIGNATURE_NOTES,
    escape_markdown,
    headline,
    phrase_error,
    shorten,
    spell_number,
    to_markdown,
)
from ui.session import MAX_PHOTOS, SessionPhoto, current_session, open_answer

__all__ = [
    "LOOK_UP_URLS",
    "correction_dialog",
    "find_bundle",
    "share_url",
    "show_actions",
    "show_chart",
    "show_chart_title",
    "show_origin",
    "show_photo",
    "show_recent_photos",
    "show_source_line",
    "show_words",
]

NO_LABEL = {Certainty.UNKNOWN, Certainty.NOTHING}

PHOTO_HEIGHT_PX = 290
"""Height of a tall or square photo, in pixels: a phone has room for words and a few bars below."""

MAX_CORRECTIONS = 10
"""Most corrections that a session saves. No address is read, so a new session may save more."""

LOOK_UP_URLS = {
    "Wikipedia": "https://en.wikipedia.org/w/index.php?search=",
    "Images": "https://commons.wikimedia.org/w/index.php?ns6=1&search=",
    "Web search": "https://duckduckgo.com/?q=",
}


def show_photo(photo: SessionPhoto) -> None:
    """Show the photo, low enough that the answer is seen without scrolling."""
    width, height = photo.size_px
    if height > 2 * width:
        # Scaled to that height it would be a sliver, so it scrolls in a box.
        with st.container(height=PHOTO_HEIGHT_PX, border=False):
            st.image(photo.picture, alt=photo.alt, width="stretch")
        return
    # A width in pixels limits the height of a tall or square photo. Streamlit re-encodes such a
    # photo each time, so the others just fill the column.
    narrow = round(PHOTO_HEIGHT_PX * width / height)
    st.image(photo.picture, alt=photo.alt, width=narrow if height >= width else "stretch")


def show_words(prediction: Prediction) -> None:
    """Show the headline and how far to trust it."""
    st.header(headline(prediction), anchor=False)
    bundle = find_bundle(prediction)
    manifest, small = (bundle.manifest, small_card_in_use(bundle)) if bundle else (None, None)
    for line in honest_lines(prediction, manifest, small):
        st.caption(to_markdown(line))


def find_bundle(prediction: Prediction) -> Bundle | None:
    """Return the version that answered; None if it no longer exists."""
    try:
        bundle = get_bundle(prediction.model)
    except LoupeError:
        return None
    return bundle if bundle.version == prediction.version else None


def show_chart_title(prediction: Prediction, top_k: int) -> None:
    """Show what the chart adds to the bars above it; nothing if ``show_chart`` shows none."""
    if not _has_chart(prediction):
        return
    count = len(prediction.top(top_k))
    title = "The likeliest label" if count == 1 else f"The {spell_number(count)} likeliest labels"
    st.subheader(title, anchor=False)


def show_chart(prediction: Prediction, top_k: int) -> None:
    """Show the top labels as bars, amber if the model is not sure."""
    if _has_chart(prediction):
        draw_candidates(prediction.top(top_k), sure=is_sure(prediction))


def _has_chart(prediction: Prediction) -> bool:
    """Return whether percentages mean something: a share among wrong labels doesn't."""
    return certainty(prediction) is not Certainty.UNKNOWN


def show_actions(photo: SessionPhoto) -> None:
    """Show the buttons below an answer."""
    with st.container(horizontal=True):
        if st.button("Why?", icon=":material/visibility:", key="why"):
            _why_dialog(photo)
        if settings().corrections_max and st.button(
            "It's something else…", icon=":material/edit:", key="correct"
        ):
            correction_dialog(photo)
        if st.button("Share", icon=":material/share:", key="share"):
            _share_dialog(photo.token)
        if certainty(photo.prediction) not in NO_LABEL:
            label = photo.prediction.top(1)[0].label.replace("(", "").replace(")", "")
            with st.popover("Look it up", icon=":material/menu_book:"):
                for name, url in LOOK_UP_URLS.items():
                    st.link_button(name, url + quote(label), width="stretch")
    _show_corrections(photo)


def show_source_line(prediction: Prediction) -> None:
    """Show how long the answer took, where it ran, the engine and the version."""
    parts = [f"{prediction.engine} engine", f"{prediction.model} {prediction.version}"]
    if prediction.milliseconds:
        runs_on_device = ENGINES[prediction.engine].runs_in == "device"
        place = "On this device" if runs_on_device else "On the server"
        total = prediction.milliseconds.total
        parts.insert(0, f"{place} in {f'{total:.0f}' if total >= 1 else 'under 1'} ms")
        if runs_on_device:
            st.caption("Your device sent the app these numbers, not the photo.")
    st.caption(" · ".join(parts))


def show_origin(signature: Signature, token: str) -> None:
    """Show where an answer without its photo comes from, and what to do."""
    if token in current_session().dropped_tokens:
        st.info(
            "You got this answer earlier, but only your last "
            f"{spell_number(MAX_PHOTOS)} photos are kept. Send the photo again to see why, or to "
            "correct it."
        )
    elif signature is Signature.CHANGED:
        st.warning(SIGNATURE_NOTES[signature], icon=":material/link_off:")
    else:
        st.info(SIGNATURE_NOTES[signature])


@st.dialog("Why this answer")
def _why_dialog(photo: SessionPhoto) -> None:
    top_label = photo.prediction.top(1)[0]
    try:
        with st.spinner("Covering one part of the photo at a time…"):
            classifier = load(photo.prediction.model, photo.prediction.engine)
            pixels = photo.pixels
            if pixels is None:
                pixels = classifier.identify_detailed(photo.picture).pixels
            importance = occlusion_map(classifier, pixels, top_label.index)
    except LoupeError as error:
        st.warning(phrase_error(error))
        return
    st.image(
        render_overlay(pixels, importance),
        alt=f"The photo, with the areas that point to {top_label.label} bright and the rest dark",
    )
    st.write(
        "This is the part of your photo the model saw. Bright areas matter: cover them and it is "
        f"less sure of *{escape_markdown(top_label.label)}*. Dark areas hardly matter. The "
        "picture shows where the model looked, not whether it was right."
    )


def _saved_corrections() -> dict[tuple[str, str, str], int]:
    """Return the ids of this session's corrections by photo, answer and label."""
    saved: dict[tuple[str, str, str], int] = st.session_state.setdefault("corrections", {})
    return saved


def _show_corrections(photo: SessionPhoto) -> None:
    """Show what this answer was corrected to, and how to have that deleted."""
    for (photo_id, token, label), number in _saved_corrections().items():
        if (photo_id, token) == (photo.photo_id, photo.token):
            st.caption(
                f"You corrected this to *{escape_markdown(shorten(label))}*. It may be used to "
                f"improve the model; to have it deleted, mention number {number} to the owner of "
                "this app.",
            )


@st.dialog("It's something else")
def correction_dialog(photo: SessionPhoto) -> None:
    """Ask for the right label and save it."""
    # In a form, Save also submits a label that is still being typed.
    with st.form("correction", border=False):
        labels = _label_fields(photo.prediction)
        keeps_photo = st.checkbox(
            "Save my photo as well",
            help="A smaller copy, without the location and time your phone adds.",
        )
        st.caption(
            "Saved for the owner of this app, who may use it to improve the model: your label, "
            "the model's answer and the time."
        )
        is_submitted = st.form_submit_button("Save", type="primary")
    if not is_submitted:
        return
    if not labels:
        st.warning("Choose a label or type your own, then press Save.")
        return
    saved, key = _saved_corrections(), (photo.photo_id, photo.token, "; ".join(labels))
    if key not in saved and len(saved) >= MAX_CORRECTIONS:
        st.warning(
            f"You've saved {spell_number(MAX_CORRECTIONS)} corrections, the most for one visit. "
            "Thank you."
        )
        return
    # Imported on first use: SQLAlchemy takes 20 MB, and only corrections need it.
    from model.corrections import correction_store

    try:
        picture = photo.picture if keeps_photo else None
        saved[key] = correction_store().add_correction(
            photo.prediction, labels, picture, repeats=saved.get(key)
        )
    except LoupeError as error:
        st.error(phrase_error(error))
        return
    st.session_state["correction_saved"] = True
    st.rerun()


def _label_fields(prediction: Prediction) -> list[str]:
    """Show the fields for the right label or labels, and return their values."""
    options = sorted(prediction.labels, key=str.casefold)
    if prediction.multilabel:
        chosen = st.multiselect("What is it?", options, placeholder="Choose labels")
    else:
        choice = st.selectbox("What is it?", options, index=None, placeholder="Choose a label")
        chosen = [choice] if choice else []
    typed = st.text_input("Or type your own").strip()
    if typed and not prediction.multilabel:
        return [typed]
    return [*chosen, typed] if typed else chosen


@st.dialog("Share this answer")
def _share_dialog(token: str) -> None:
    st.write("Anyone with this link sees the answer, but not your photo.")
    st.code(share_url(token), language=None, wrap_lines=True)


def share_url(token: str) -> str:
    """Return the URL of an answer, as the visitor's browser sees this app."""
    url = urlsplit(st.context.url or "")
    # Community Cloud frames the app under this path; links go to the app's own address.
    path = url.path.replace("/~/+", "", 1) or "/"
    query = parse_qs(url.query)
    query["answer"] = [token]
    return url._replace(path=path, query=urlencode(query, doseq=True), fragment="").geturl()


def show_recent_photos(token: str) -> None:
    """Show the session's photos, each a way back to its answer; ``token`` is the open one."""
    photos = current_session().recent_photos(token)
    if len(photos) < 2:
        return
    st.subheader("Recent photos", anchor=False)
    with st.container(horizontal=True):
        for position, photo in enumerate(photos):
            with st.container(width=104, gap="xsmall"):
                st.image(photo.thumbnail, alt=photo.alt, width="stretch")
                label = photo.prediction.top(1)[0].label
                st.button(
                    escape_markdown(shorten(label, 16)),
                    type="primary" if photo.token == token else "secondary",
                    key=f"recent-{position}",
                    on_click=open_answer,
                    args=(photo.token,),
                    width="stretch",
                )
    if len(photos) == MAX_PHOTOS:
        st.caption(
            f"Only your last {spell_number(MAX_PHOTOS)} photos are kept, and only until you leave."
        )
