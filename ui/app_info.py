"""The app's title, a sentence about it, its logo and its colours, by the settings or a model."""

import re
import textwrap
from collections.abc import Mapping
from html import escape
from math import ceil
from unicodedata import east_asian_width

from model import Bundle
from model.answer.phrases import label_summary
from model.browser.page_files import PAGE_DIR
from model.bundle import familiar_labels, get_bundle
from model.errors import BundleError
from model.loading import default_model
from model.settings import settings
from model.text import clean
from ui.phrasing import shorten, to_text

HEADLINE, DESK_HEADLINE = "Point your phone at something", "Hold something up, or drop a photo"

MAX_TITLE, MAX_DESCRIPTION = 80, 160
"""Longest texts that fit the first screen and that chats show in full, in characters."""

LOGO_HEIGHT = 32
"""Height of Streamlit's largest logo, in pixels."""

SENTENCES = re.compile(r".{20,}[.!?](?= )")

TOKENS = (PAGE_DIR / "view" / "tokens.css").read_text(encoding="utf-8")
THEMES = re.findall(r"^[^{}@/]*\[data-theme[^{]*\{([^}]*)\}", TOKENS, re.MULTILINE)
COLOUR = re.compile(r"--([\w-]+): (#\w+)")
LIGHT: dict[str, str] = dict(COLOUR.findall(THEMES[0]))
DARK: dict[str, str] = dict(COLOUR.findall(THEMES[1]))
"""The design tokens: declarations for light, dark and both, and the colours of either by name."""


def default_bundle() -> Bundle | None:
    """Return the model that opens first, None if there is none or it can't be opened."""
    name = default_model()
    try:
        return get_bundle(name) if name else None
    except BundleError:
        return None


def app_title(bundle: Bundle | None = None) -> str:
    """Return the app's title: the one in the settings, else the model's.

    It is one line of plain text, to be escaped where it is shown. Without ``bundle``, the model is
    the one that opens first.
    """
    bundle = bundle or default_bundle()
    title = clean(settings().title) or clean(bundle.manifest.title if bundle else "")
    return _cut(title, MAX_TITLE) or "Loupe"


def app_description(bundle: Bundle | None = None) -> str:
    """Return a sentence about the app: the one in the settings, else a model's.

    A model without a description gets one made from its labels. See ``app_title``; empty if
    there is no model.
    """
    bundle = bundle or default_bundle()
    text = clean(settings().description)
    if not text and bundle:
        text = clean(bundle.manifest.description)
        text = text or f"Knows {to_text(label_summary(familiar_labels(bundle)))}."
    sentences = SENTENCES.match(text[: MAX_DESCRIPTION + 1])
    return sentences[0] if len(text) > MAX_DESCRIPTION and sentences else _cut(text)


def preview_description(bundle: Bundle | None) -> str:
    """Return a sentence about the app for link previews: the owner's, or what to do with it."""
    if clean(settings().description):
        return app_description(bundle)
    return _cut(f"{HEADLINE}. {first_words(bundle)['line']}".strip())


def first_words(bundle: Bundle | None) -> dict[str, str]:
    """Return the words of the empty viewfinder: the owner's, or what the model knows."""
    line = clean(settings().description)
    if not line and bundle:
        line = f"This model knows {to_text(label_summary(familiar_labels(bundle)))}."
    title = clean(settings().title)
    return {"headline": title or HEADLINE, "desk": title or DESK_HEADLINE, "line": line}


def header_logo(colours: Mapping[str, str] = LIGHT) -> tuple[str, int]:
    """Return the app's icon and name as SVG in a theme's colours, and its width in pixels.

    A page of Streamlit's has no other place for the name in its header. A name of more than a few
    characters is in small type on two lines, because a phone's header also has the menu and the
    model.
    """
    name = clean(settings().title) or "Loupe"
    lines, size = [name], 20
    if _width(name) > 6:
        is_wide = _width(name) > 0.8 * len(name)
        lines, size = textwrap.wrap(name, 7 if is_wide else 14, max_lines=2, placeholder="…"), 13
    ink, ground, accent = (colours[name] for name in ("ink", "ground", "accent"))
    width = 36 + ceil(size * max(map(_width, lines)))
    first = LOGO_HEIGHT / 2 + 0.35 * size - 0.6 * size * (len(lines) - 1)
    words = "".join(
        f'<text x="36" y="{first + 1.2 * size * index:.1f}" textLength="{size * _width(line):.0f}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(line)}</text>'
        for index, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{LOGO_HEIGHT}">'
        f'<g fill="none" stroke="{accent}" stroke-width="4" stroke-linecap="round">'
        '<circle cx="10" cy="12" r="8"/><path d="m16 18 8 8"/></g>'
        # Edged, because the theme may change before the script runs again.
        f'<g fill="{ink}" stroke="{ground}" stroke-width="3" paint-order="stroke" '
        f'font-family="system-ui, sans-serif" font-weight="600" font-size="{size}">'
        f"{words}</g></svg>"
    ), width


def _width(text: str) -> float:
    """Return about how wide text is, in ems."""
    return sum(
        1.0 if east_asian_width(char) in "WF" else 0.7 if char.isupper() else 0.58 for char in text
    )


def _cut(text: str, max_length: int = MAX_DESCRIPTION) -> str:
    """Return text cut after a word if it is too long, or in the word if that is the only one."""
    on_word = textwrap.shorten(text, max_length, placeholder="…")
    return shorten(text, max_length) if on_word == "…" else on_word
