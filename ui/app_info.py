"""What the app calls itself: its title and a sentence about it, by the settings or a model."""

import re
import textwrap

from model import Bundle
from model.bundle import get_bundle
from model.classifier import default_model
from model.errors import BundleError
from model.settings import settings
from model.text import clean
from ui.phrasing import label_summary, shorten

__all__ = ["app_description", "app_title", "default_bundle"]

MAX_TITLE = 80
MAX_DESCRIPTION = 160
"""Lengths that fit a first screen, and that chats show in full."""

SENTENCES = re.compile(r".{20,}[.!?](?= )")


def default_bundle() -> Bundle | None:
    """Return the model that opens first, None if there is none or it can't be opened."""
    name = default_model()
    try:
        return get_bundle(name) if name else None
    except BundleError:
        return None


def app_title(bundle: Bundle | None = None) -> str:
    """Return the app's title: the one in the settings, else that of a model.

    Args:
        bundle: the chosen model; by default the one that opens first.

    Returns:
        One line of plain text, to be escaped where it is shown.
    """
    bundle = bundle or default_bundle()
    title = clean(settings().title) or clean(bundle.manifest.title if bundle else "")
    return _cut(title, MAX_TITLE) or "Loupe"


def app_description(bundle: Bundle | None = None) -> str:
    """Return a sentence about the app: the one in the settings, else a model's.

    A model without a description gets one made from its labels. Arguments and result are as
    those of ``app_title``; empty if there is no model.
    """
    bundle = bundle or default_bundle()
    text = clean(settings().description)
    if not text and bundle:
        text = clean(bundle.manifest.description)
        text = text or f"Knows {label_summary(bundle.labels, markdown=False)}."
    sentences = SENTENCES.match(text[: MAX_DESCRIPTION + 1])
    return sentences[0] if len(text) > MAX_DESCRIPTION and sentences else _cut(text)


def _cut(text: str, max_length: int = MAX_DESCRIPTION) -> str:
    """Return text cut after a word if it is too long, or in the word if that is the only one."""
    on_word = textwrap.shorten(text, max_length, placeholder="…")
    return shorten(text, max_length) if on_word == "…" else on_word
