"""An answer on the screen: words, chart, actions, the line that says where it came from."""

from io import BytesIO
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import streamlit as st
from PIL import Image

from model import LoupeError, Prediction, load
from model.bundle import get_bundle
from model.decision import Certainty, certainty
from model.explanation import occlusion_map, render_overlay
from ui.charts import candidates_chart
from ui.phrasing import escaped, headline, percent, record, refusal, shorten, turned_away
from ui.session import SessionPhoto, session

__all__ = ["actions", "chart", "photo", "recent_photos", "share_link", "source_line", "words"]

SURE = {Certainty.LIKELY, Certainty.PROBABLE, Certainty.SEVERAL, Certainty.GUESS}
# Answers of one label: only of such the card can say how often they are right.
ONE = {Certainty.LIKELY, Certainty.PROBABLE, Certainty.FEW, Certainty.HARD, Certainty.GUESS}
EVEN = 0.5
HEIGHT = 290
"""Pixels of a photo that is not wide: on a phone the words and a few bars fit below it."""

PLACES = {
    "Wikipedia": "https://en.wikipedia.org/w/index.php?search=",
    "Pictures": "https://commons.wikimedia.org/w/index.php?ns6=1&search=",
    "The web": "https://duckduckgo.com/?q=",
}


def photo(answer: SessionPhoto) -> None:
    """The photo, low enough that the answer is seen without scrolling."""
    width, height = _size(answer.picture)
    # A width in pixels limits the height of a tall or square photo. Streamlit encodes such a one
    # anew each time, so the others just fill the column.
    narrow = max(64, round(HEIGHT * width / height))
    st.image(answer.picture, alt=answer.alt, width=narrow if height >= width else "stretch")


def _size(picture: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(picture), formats=["JPEG"]) as image:
        return image.size


def words(prediction: Prediction) -> None:
    """The headline and what to make of it."""
    st.header(headline(prediction), anchor=False)
    if certainty(prediction) is Certainty.GUESS:
        first = prediction.top(1)[0]
        st.caption(
            f"{percent(first.probability)} by its own count. This model is not calibrated: "
            "it always names something, also for things that it does not know."
        )
    if said := _record(prediction):
        st.caption(said)


def _record(prediction: Prediction) -> str:
    """What held-out photos showed of such an answer; nothing where that is not known."""
    said = certainty(prediction)
    if said not in ONE and said is not Certainty.UNKNOWN:
        return ""
    try:
        bundle = get_bundle(prediction.model)
    except LoupeError:
        return ""
    card = bundle.manifest.card
    # Of an answer that a former version gave, the card of this one says nothing.
    if card is None or bundle.version != prediction.version:
        return ""
    if said is Certainty.UNKNOWN:
        return turned_away(bundle.manifest)
    first = prediction.top(1)[0]
    return record(card, first.index, prediction.labels, prediction.language)


def chart(prediction: Prediction, top: int) -> None:
    """The top labels as bars, amber where the model is not sure."""
    sure = certainty(prediction) in SURE and prediction.top(1)[0].probability >= EVEN
    candidates_chart(prediction.top(top), sure=sure)


def actions(answer: SessionPhoto) -> None:
    """What one can do with an answer."""
    prediction = answer.prediction
    first = prediction.top(1)[0]
    with st.container(horizontal=True):
        if st.button("Why?", icon=":material/visibility:", key="why"):
            _why(answer)
        if st.button("It's something else…", icon=":material/edit:", key="correct"):
            _correction(answer)
        if st.button("Share", icon=":material/share:", key="share"):
            _share(answer)
        with st.popover("Look it up", icon=":material/menu_book:"):
            for name, address in PLACES.items():
                label = first.label.replace("(", "").replace(")", "")
                st.link_button(name, address + quote(label), width="stretch")


def source_line(prediction: Prediction) -> None:
    """How long it took, the engine, the version."""
    parts = [f"{prediction.engine} engine", f"{prediction.model} {prediction.version}"]
    if prediction.milliseconds:
        spent = prediction.milliseconds.total
        parts.insert(0, f"{spent:.0f} ms here" if spent >= 1 else "under 1 ms here")
    st.caption(" · ".join(parts))


@st.dialog("Why this answer")
def _why(answer: SessionPhoto) -> None:
    first = answer.prediction.top(1)[0]
    try:
        with st.spinner("Covering parts of the photo in turn …"):
            classifier = load(answer.prediction.model, answer.prediction.engine)
            pixels = answer.pixels
            if pixels is None:
                pixels = classifier.identify_detailed(answer.picture).pixels
            heat = occlusion_map(classifier, pixels, first.index)
    except LoupeError as error:
        st.warning(refusal(error))
        return
    st.image(
        render_overlay(pixels, heat),
        alt=f"The photo with the parts that speak for {first.label} bright and the rest dark",
    )
    st.write(
        f"Bright: covering this part makes the model less sure of *{escaped(first.label)}*. "
        "Dark: covering it changes little. It shows the part of the photo that the model saw, "
        "and where it looked; not that it is right."
    )


@st.dialog("It's something else")
def _correction(answer: SessionPhoto) -> None:
    prediction = answer.prediction
    label = st.selectbox(
        "What is it?",
        sorted(prediction.labels, key=str.casefold),
        index=None,
        accept_new_options=True,
        placeholder="Choose, or type your own word",
    )
    keep = st.checkbox(
        "Keep the photo, too",
        help="Scaled down, and without the place and time that a phone writes into it.",
    )
    st.caption("Kept for whoever runs this app: your word, the model's answer, the time.")
    if st.button("Save", type="primary", disabled=not label) and label:
        # SQLAlchemy takes 20 MB: only whoever corrects an answer needs it.
        from model.corrections import correction_store

        try:
            correction_store().add_correction(prediction, label, answer.picture if keep else None)
        except LoupeError as error:
            st.error(refusal(error))
            return
        st.session_state["thanks"] = True
        st.rerun()


@st.dialog("Share this answer")
def _share(answer: SessionPhoto) -> None:
    st.write("This link shows the answer and its chart. The photo is not in it.")
    st.code(share_link(answer.token), language=None, wrap_lines=True)


def share_link(token: str) -> str:
    """The address of an answer, as the visitor's browser sees this app."""
    address = urlsplit(st.context.url or "")
    # Community Cloud frames the app under this path; links go to the app's own address.
    path = address.path.replace("/~/+", "", 1) or "/"
    query = parse_qs(address.query)
    query["answer"] = [token]
    return address._replace(path=path, query=urlencode(query, doseq=True), fragment="").geturl()


def recent_photos(shown: str) -> None:
    """The last answers of this visit, each a way back to it; ``shown`` is the open one."""
    answers = session().answers
    if len(answers) < 2:
        return
    st.subheader("This visit", anchor=False)
    with st.container(horizontal=True):
        for place, old in enumerate(answers):
            with st.container(width=104, gap="xsmall"):
                st.image(old.thumbnail, alt=old.alt, width="stretch")
                name = old.prediction.top(1)[0].label
                st.button(
                    escaped(shorten(name, 16)),
                    type="primary" if old.token == shown else "secondary",
                    key=f"strip-{place}",
                    on_click=_open,
                    args=(old.token,),
                    width="stretch",
                )


def _open(token: str) -> None:
    st.query_params["answer"] = token
