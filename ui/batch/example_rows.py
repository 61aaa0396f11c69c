"""Examples of a batch's results: the model's samples with its answers."""

from operator import attrgetter

import streamlit as st

from model import Bundle, LoupeError
from model.answer.phrases import shared_words
from model.bundle import read_samples
from model.engine_info import DEFAULT_ENGINE
from model.loading import load_bundle
from ui.phrasing import to_markdown


def show_examples(bundle: Bundle) -> None:
    """Show up to four samples with the model's answers; nothing if it has none or can't answer."""
    samples = read_samples(bundle)
    # The last one often shows none of the labels.
    samples = samples[:3] + samples[3:][-1:]
    answers = [answer for sample in samples if (answer := _answer(bundle, sample.photo))]
    if not samples or len(answers) < len(samples):
        return
    with st.container(width=448, gap="xsmall"):
        st.caption("Like this")
        for sample, (words, percent, probability) in zip(samples, answers, strict=True):
            with st.container(horizontal=True, wrap=False, vertical_alignment="center"):
                st.image(sample.thumbnail, alt=sample.entry.alt, width=48)
                st.markdown(words, width="stretch")
                if percent:
                    # A wider bar would break words at 320 px.
                    st.progress(probability, width=64)
                    st.markdown(f"**{percent}**", width=48, text_alignment="right")
        if not bundle.manifest.multilabel:
            st.caption("Name folders after labels, and it also says how often the model is right.")


@st.cache_data(ttl="5m", show_spinner=False, hash_funcs={Bundle: attrgetter("version")})
def _answer(bundle: Bundle, photo: bytes) -> tuple[str, str, float] | None:
    """Return an answer as Markdown, its percentage or "", and its probability.

    The engine never loads torch. None if there is no answer, which is kept as well, so that not
    every run tries again.
    """
    try:
        # Visitors' own photos matter more, so this one doesn't wait long for a core.
        prediction = load_bundle(bundle, DEFAULT_ENGINE).identify(photo, timeout=2)
    except LoupeError:
        return None
    if prediction.in_distribution is False:
        return ":orange[none of these]", "", 0.0
    words, percent = shared_words(prediction)
    return to_markdown(words), percent, prediction.top(1)[0].probability
